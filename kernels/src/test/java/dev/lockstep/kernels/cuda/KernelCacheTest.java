// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class KernelCacheTest {
    private static final List<String> OPTIONS = List.of("-DMORE=1");

    @TempDir private Path folder;
    private final Nvrtc nvrtc = Nvrtc.open(EmulatedCuda.search());
    private KernelCache cache;

    @BeforeEach
    void open() {
        cache = new KernelCache(folder, nvrtc);
    }

    @Test
    void aKernelIsCompiledOnce() {
        long before = compilations();
        byte[] first = cache.image(TestProgram.source(), "sm_90a", OPTIONS);
        byte[] second =
                new KernelCache(folder, nvrtc).image(TestProgram.source(), "sm_90a", OPTIONS);
        assertArrayEquals(first, second);
        assertEquals(before + 1, compilations());
        assertEquals(1, Folders.matching(folder, "*").size());
    }

    @Test
    void aFileThatIsTruncatedDamagedOrForeignIsCompiledAnew() throws IOException {
        byte[] image = cache.image(TestProgram.source(), "sm_90a", OPTIONS);
        Path file = Folders.matching(folder, "program-*.cubin").getFirst();
        byte[] whole = Files.readAllBytes(file);
        byte[] damaged = whole.clone();
        damaged[whole.length - 5] ^= 1;
        byte[] foreign = whole.clone();
        foreign[30] ^= 1;
        for (byte[] bad :
                List.of(
                        new byte[0],
                        Arrays.copyOf(whole, 40),
                        Arrays.copyOf(whole, whole.length - 1),
                        damaged,
                        foreign)) {
            Files.write(file, bad);
            long before = compilations();
            assertArrayEquals(image, cache.image(TestProgram.source(), "sm_90a", OPTIONS));
            assertEquals(before + 1, compilations());
            assertArrayEquals(whole, Files.readAllBytes(file));
        }
    }

    @Test
    void aKernelThatTheDriverRefusesIsCompiledAgain() {
        cache.image(TestProgram.source(), "sm_90a", OPTIONS);
        long before = compilations();
        cache.again(TestProgram.source(), "sm_90a", OPTIONS);
        assertEquals(before + 1, compilations());
    }

    @Test
    void theKeyCoversAllThatMachineCodeDependsOn() {
        KernelSource source = new KernelSource("a.cu", "text", Map.of("a.cuh", "header"));
        String key = KernelCache.key(source, "sm_80", OPTIONS, "13.0");
        assertEquals(key, KernelCache.key(source, "sm_80", OPTIONS, "13.0"));
        assertEquals(64, key.length());
        for (String other :
                List.of(
                        KernelCache.key(source, "sm_90a", OPTIONS, "13.0"),
                        KernelCache.key(source, "sm_80", OPTIONS, "13.1"),
                        KernelCache.key(source, "sm_80", List.of("-DMORE=2"), "13.0"),
                        KernelCache.key(
                                new KernelSource("a.cu", "texts", Map.of("a.cuh", "header")),
                                "sm_80",
                                OPTIONS,
                                "13.0"),
                        KernelCache.key(
                                new KernelSource("a.cu", "text", Map.of("a.cuh", "headers")),
                                "sm_80",
                                OPTIONS,
                                "13.0"))) {
            assertNotEquals(key, other);
        }
    }

    @Test
    void aKernelThatDoesNotCompileIsRefusedWithFileAndFirstError() {
        KernelSource wrong =
                TestProgram.source("#include \"ls_types.cuh\"\nint x = unknown_name;\n");
        KernelCompileException failure =
                assertThrows(
                        KernelCompileException.class,
                        () -> cache.image(wrong, "sm_90a", List.of()));
        assertTrue(
                failure.toString().contains("program.cu does not compile"), failure.getMessage());
        assertTrue(failure.toString().contains("unknown_name"), failure.getMessage());
        assertEquals(1, failure.toString().lines().count());
        assertThrows(
                KernelCompileException.class,
                () -> cache.image(TestProgram.source(), "sm_90a", List.of("--no-such-option")));
        assertEquals(List.of(), Folders.matching(folder, "*"));
    }

    @Test
    void theCompilerTellsItsVersion() {
        assertEquals("13.0", nvrtc.version());
        assertTrue(nvrtc.capabilities().contains(90));
    }

    private static long compilations() {
        return EmulatedCuda.calls(CudaLibrary.NVRTC, "nvrtcCompileProgram");
    }
}
