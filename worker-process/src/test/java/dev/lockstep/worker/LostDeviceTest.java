// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A device that breaks ends its process, so each is in a process of its own.
@Tag("processes")
final class LostDeviceTest {
    @TempDir Path folder;

    @Test
    void anIllegalAddressInAStepIsReportedAndEndsTheProcessWithItsOwnCode() throws Exception {
        Process process = fork("700");
        List<String> lines = lines(process);
        assertEquals("finished 1", lines.get(0));
        assertTrue(lines.get(1).startsWith("failed 2: "), lines.get(1));
        assertTrue(lines.get(1).contains("CUDA_ERROR_ILLEGAL_ADDRESS (700)"), lines.get(1));
        assertTrue(lines.get(2).startsWith("unusable: "), lines.get(2));
        assertEquals(3, lines.size(), lines.toString());
        assertEquals(ExitCode.DEVICE_LOST, process.waitFor());
    }

    private Process fork(String fault) throws IOException {
        TinyCheckpoint.write(folder, 7);
        EmulatedCuda.folder();
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-modules",
                        "jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-Xmx256m",
                        "-cp",
                        System.getProperty("java.class.path"),
                        LostDevice.class.getName(),
                        folder.toString(),
                        fault)
                .redirectErrorStream(true)
                .start();
    }

    /// Returns what the process prints to its end, without the log.
    private static List<String> lines(Process process) throws IOException {
        return new String(process.getInputStream().readAllBytes(), UTF_8)
                .lines()
                .filter(line -> line.matches("(finished|failed|unusable).*"))
                .toList();
    }
}
