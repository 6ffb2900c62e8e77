// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("processes")
final class CudaProbeTest {
    private static final List<String> LOG_CLASSES = List.of("-Xlog:class+load");

    @Test
    void devicesAreDescribed() {
        CudaProbe probe = CudaProbe.run(EmulatedCuda.search());
        assertTrue(probe.problem().isEmpty());
        CudaDevice device = probe.require(0);
        assertEquals("sm_90a", device.architecture());
        assertEquals("GPU-eeeeeeee-eeee-eeee-eeee-eeeeeeeeee00", device.uuid());
        assertEquals(227 * 1024, device.sharedBytes());
        assertEquals(
                "libcuda.so.1 cuInit CUDA of the driver GPU 0 GPU 1 GPU 2 GPU 3",
                String.join(" ", probe.steps().stream().map(CudaProbe.Step::what).toList()));
        CudaUnavailableException refused =
                assertThrows(CudaUnavailableException.class, () -> probe.require(4));
        assertEquals(
                "GPU 4 was asked for, there are 4, numbered from 0: name one of them",
                refused.getMessage());
    }

    @Test
    void withoutADriverNoClassOfTheBindingsIsLoaded(@TempDir Path empty)
            throws IOException, InterruptedException {
        ForkedJava run = ForkedJava.run(Probe.class, Map.of(), LOG_CLASSES, empty.toString());
        assertEquals(0, run.code(), run.output());
        assertTrue(
                run.output().contains("problem libcuda.so.1 was not found in " + empty),
                run.output());
        assertTrue(run.output().contains("dev.lockstep.kernels.cuda.CudaProbe "), run.output());
        assertFalse(run.output().contains("org.bytedeco"), run.output());
    }

    @Test
    void whatIsMissingIsTold(@TempDir Path folder) throws IOException, InterruptedException {
        Path emulated = EmulatedCuda.folder();
        assertEquals(
                "problem cuInit of %s/libcuda.so.1 failed with code 100 (no device): see what nvidia-smi and CUDA_VISIBLE_DEVICES say"
                        .formatted(emulated),
                problem(Map.of("CUDA_EMULATION_DEVICES", "0"), emulated));
        assertEquals(
                "problem cuInit of %s/libcuda.so.1 failed with code 802 (the system is not ready): start nvidia-fabricmanager, which GPUs behind NVSwitch wait for"
                        .formatted(emulated),
                problem(Map.of("CUDA_EMULATION_FAULTS", "cuInit:1:802"), emulated));
        assertEquals(
                "problem the driver %s/libcuda.so.1 serves CUDA 12.8, Lockstep needs 13.0 or newer: install driver 580 or newer"
                        .formatted(emulated),
                problem(Map.of("CUDA_EMULATION_DRIVER", "12080"), emulated));
        assertEquals(
                "problem GPU 0, Emulated GPU 0, has compute capability 7.5, Lockstep needs 8.0 or newer: use another GPU, or the CPU",
                problem(Map.of("CUDA_EMULATION_CAPABILITY", "75"), emulated));
        Files.writeString(folder.resolve("libcuda.so.1"), "no library");
        assertTrue(
                problem(Map.of(), folder)
                        .startsWith(
                                "problem the driver %s/libcuda.so.1 cannot be loaded: install NVIDIA's driver 580"
                                        .formatted(folder)));
    }

    private static String problem(Map<String, String> environment, Path folder)
            throws IOException, InterruptedException {
        ForkedJava run = ForkedJava.run(Probe.class, environment, LOG_CLASSES, folder.toString());
        assertEquals(0, run.code(), run.output());
        assertFalse(run.output().contains("org.bytedeco"), run.output());
        return run.output()
                .lines()
                .filter(line -> line.startsWith("problem "))
                .findFirst()
                .orElseThrow(() -> new AssertionError(run.output()));
    }

    /// Probes in a process of its own.
    static final class Probe {

        private Probe() {}

        public static void main(String[] arguments) {
            CudaProbe probe = CudaProbe.run(LibrarySearch.only(List.of(Path.of(arguments[0]))));
            probe.steps().forEach(step -> System.out.println(step.what() + ": " + step.found()));
            probe.problem()
                    .ifPresent(problem -> System.out.println("problem " + problem.getMessage()));
        }
    }
}
