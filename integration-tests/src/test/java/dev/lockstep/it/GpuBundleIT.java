// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/// The archive for machines with a GPU: made by its script, unpacked elsewhere, and run without
/// Java, on emulated libraries in place of the machine's.
@Tag("processes")
@EnabledIfSystemProperty(
        named = "lockstep.long",
        matches = "true",
        disabledReason = "takes ten minutes")
final class GpuBundleIT {
    /// An emulated device is slow, and its kernels are compiled anew.
    private static final List<String> LIMITS = List.of("--seconds=3000", "--silence=600");

    @TempDir private Path folder;

    @Test
    void theWholeCheckOfTheArchivePassesWithOneDevice() throws Exception {
        Path archive = folder.resolve("bundle.tar.gz");
        Path script = Path.of("../scripts/gpu-bundle").toAbsolutePath().normalize();
        run(Map.copyOf(System.getenv()), script.toString(), archive.toString());
        run(Map.of("PATH", "/usr/bin:/bin"), "tar", "-xzf", archive.toString());
        run(
                Map.of("PATH", "/usr/bin:/bin", "CUDA_EMULATION_DEVICES", "1"),
                folder.resolve("gpu-bundle/gpu-check").toString(),
                "--cuda-libraries=" + EmulatedCuda.folder(),
                LIMITS.getFirst(),
                LIMITS.getLast());
        JsonNode report =
                new ObjectMapper()
                        .readTree(folder.resolve("gpu-check-report/report.json").toFile());
        assertTrue(report.get("passed").booleanValue(), report.toString());
        assertTrue(report.get("steps").size() > 10, report.toString());
    }

    /// Runs a command in the folder with these variables alone, to its end.
    private void run(Map<String, String> environment, String... command) throws Exception {
        Path output = folder.resolve("output");
        ProcessBuilder builder =
                new ProcessBuilder(command)
                        .directory(folder.toFile())
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile());
        builder.environment().clear();
        builder.environment().putAll(environment);
        Process process = builder.start();
        try {
            assertEquals(0, process.waitFor(), () -> command[0] + ": " + text(output));
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
    }

    private static String text(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException failure) {
            return failure.toString();
        }
    }
}
