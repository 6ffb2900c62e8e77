// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// A worker with native kernels has no Vector API: only classes of the Java kernels refer to it, or
/// to its lanes.
final class VectorModuleTest {
    private static final Path SOURCES = Path.of("src/main/java/dev/lockstep/kernels/cpu");

    /// Classes of the Java kernels whose names do not begin with "Vector".
    private static final Set<String> JAVA_KERNELS =
            Set.of("BlockLoops", "Nf4", "Nvfp4", "StoredCodes", "StoredKeys", "StoredSubBlock");

    /// Use a constant of the lanes, which the compiler copies.
    private static final Set<String> CONSTANT_ONLY = Set.of("AttentionOps", "Gumbel");

    @Test
    void onlyJavaKernelsReferToTheVectorApi() throws Exception {
        assertTrue(Files.isDirectory(SOURCES), SOURCES.toAbsolutePath() + " is no folder");
        Path classes =
                Path.of(CpuOps.class.getProtectionDomain().getCodeSource().getLocation().toURI())
                        .resolve("dev/lockstep/kernels/cpu");
        try (Stream<Path> files = Files.list(classes)) {
            List<String> referring =
                    files.filter(VectorModuleTest::refers).map(VectorModuleTest::source).toList();
            assertFalse(referring.isEmpty(), "no class was found in " + classes);
            assertEquals(
                    List.of(),
                    referring.stream()
                            .filter(name -> Files.exists(SOURCES.resolve(name + ".java")))
                            .filter(name -> !name.startsWith("Vector"))
                            .filter(name -> !JAVA_KERNELS.contains(name))
                            .filter(name -> !CONSTANT_ONLY.contains(name))
                            .toList());
        }
    }

    private static boolean refers(Path file) {
        try {
            String text = Files.readString(file, StandardCharsets.ISO_8859_1);
            return text.contains("jdk/incubator/vector")
                    || text.contains("dev/lockstep/kernels/cpu/VectorLanes");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Returns the name of a class file's top-level class.
    private static String source(Path file) {
        return file.getFileName().toString().replaceFirst("[$.].*", "");
    }
}
