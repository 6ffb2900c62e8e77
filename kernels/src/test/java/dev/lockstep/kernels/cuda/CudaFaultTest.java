// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.DeviceLostException;
import dev.lockstep.kernels.DevicePointer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Errors after which a process is done for, each in a process of its own.
@Tag("processes")
final class CudaFaultTest {

    @Test
    void aKernelThatStraysIsReportedByTheNextWaitAndEveryCallAfterIt()
            throws IOException, InterruptedException {
        String expected =
                """
                launched
                cuStreamSynchronize failed: CUDA_ERROR_ILLEGAL_ADDRESS (700), an illegal memory access was encountered; the last kernel was %s
                lost true
                cuMemAlloc failed: CUDA_ERROR_ILLEGAL_ADDRESS (700), an illegal memory access was encountered; the last kernel was %s
                """;
        assertEquals(expected.formatted("stray", "stray"), run(Map.of(), "stray"));
        assertEquals(expected.formatted("overrun", "overrun"), run(Map.of(), "overrun"));
        assertEquals(expected.formatted("affine", "affine"), run(Map.of(), "affine", "host"));
    }

    @Test
    void aFaultOfTheDeviceComesLateAndStays() throws IOException, InterruptedException {
        String output = run(Map.of("CUDA_EMULATION_FAULTS", "cuLaunchKernel:1:719"), "affine");
        assertTrue(
                output.startsWith(
                        "launched\ncuStreamSynchronize failed: CUDA_ERROR_LAUNCH_FAILED (719)"),
                output);
        assertTrue(output.contains("lost true\ncuMemAlloc failed"), output);
    }

    @Test
    void aFaultOfACallComesAtOnceAndPasses() throws IOException, InterruptedException {
        assertEquals(
                """
                cuLaunchKernel failed: CUDA_ERROR_OUT_OF_MEMORY (2), out of memory; the last kernel was affine
                lost false
                works
                """,
                run(Map.of("CUDA_EMULATION_FAULTS", "cuLaunchKernel:1:2"), "affine"));
    }

    @Test
    void theHostCannotReadDeviceMemory() throws IOException, InterruptedException {
        EmulatedCuda.folder();
        ForkedJava run =
                ForkedJava.run(
                        Launch.class,
                        Map.of(),
                        List.of("-XX:ErrorFile=/dev/null", "-XX:-CreateCoredumpOnCrash"),
                        "read");
        assertTrue(run.output().contains("SIGSEGV"), run.output());
        assertFalse(run.output().contains("works"), run.output());
    }

    @Test
    void callsAreCountedForOtherProcesses(@TempDir Path folder)
            throws IOException, InterruptedException {
        run(Map.of("CUDA_EMULATION_CALLS", folder.toString()), "affine");
        byte[] counts = Files.readAllBytes(Folders.matching(folder, "cuda.*").getFirst());
        ByteBuffer buffer = ByteBuffer.wrap(counts).order(ByteOrder.nativeOrder());
        var calls = new HashMap<String, Long>();
        for (int at = 0; at < counts.length && counts[at] != 0; at += 64) {
            calls.put(new String(counts, at, 56, US_ASCII).trim(), buffer.getLong(at + 56));
        }
        assertEquals(1, calls.get("cuLaunchKernel"));
        assertEquals(2, calls.get("cuMemAlloc_v2"));
    }

    private static String run(Map<String, String> environment, String... arguments)
            throws IOException, InterruptedException {
        EmulatedCuda.folder();
        ForkedJava run = ForkedJava.run(Launch.class, environment, List.of(), arguments);
        assertEquals(0, run.code(), run.output());
        return String.join(
                        "\n",
                        run.output()
                                .lines()
                                .filter(
                                        line ->
                                                !line.startsWith("emulated ")
                                                        && !line.contains("WARN")
                                                        && !line.contains(" INFO "))
                                .toList())
                + "\n";
    }

    /// Launches a kernel in a process of its own and goes on calling the driver.
    static final class Launch {

        private Launch() {}

        @SuppressWarnings("restricted")
        public static void main(String[] arguments) {
            Cuda cuda = EmulatedCuda.open();
            Nvrtc nvrtc = Nvrtc.open(cuda.libraries());
            byte[] code =
                    nvrtc.compile(
                                    TestProgram.source(),
                                    cuda.device().architecture(),
                                    List.of("-DMORE=0", "--fmad=false"))
                            .image();
            CudaStream stream = cuda.stream(0);
            DevicePointer memory = cuda.allocate(100);
            if (arguments[0].equals("read")) {
                MemorySegment host = MemorySegment.ofAddress(memory.address()).reinterpret(4);
                System.out.println("works " + host.get(ValueLayout.JAVA_INT, 0));
                return;
            }
            CudaKernel kernel = cuda.kernel(cuda.load(code), arguments[0], 0);
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment parameters =
                        TestProgram.parameters(
                                arena,
                                arguments.length == 1
                                        ? memory.address()
                                        : arena.allocate(100).address(),
                                25,
                                1,
                                1);
                cuda.launch(kernel, 1, 1, 1, 32, 0, parameters, stream);
                System.out.println("launched");
                cuda.synchronize(stream);
            } catch (CudaException | DeviceLostException failure) {
                System.out.println(failure.getMessage());
                System.out.println("lost " + (failure instanceof DeviceLostException));
            }
            try {
                cuda.allocate(16);
                System.out.println("works");
            } catch (CudaException | DeviceLostException failure) {
                System.out.println(failure.getMessage());
            }
        }
    }
}
