// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.ExitCode;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Runs each command in a separate process, because its end is the end of the process.
@Tag("processes")
class StoppableTest {
    private static Process probe(String word) throws IOException {
        // A shell that starts tests in the background may make them ignore SIGINT, and children
        // inherit this.
        return new ProcessBuilder(
                        "env",
                        "--default-signal=INT",
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        StoppableProbe.class.getName(),
                        word)
                .start();
    }

    private static void assertEnds(Process probe, int exitCode, List<String> lines)
            throws IOException, InterruptedException {
        try (BufferedReader output = probe.inputReader()) {
            assertEquals(lines, output.lines().toList());
            assertTrue(
                    probe.waitFor(TestTimeout.HANG.toSeconds(), TimeUnit.SECONDS), "still alive");
            assertEquals(exitCode, probe.exitValue());
        } finally {
            probe.destroyForcibly();
        }
    }

    @Test
    void aStopInterruptsTheWorkAndLetsItCleanUp() throws Exception {
        Process probe = probe("wait");
        BufferedReader output = probe.inputReader();
        assertEquals("ready", output.readLine());
        new ProcessBuilder("kill", "-INT", Long.toString(probe.pid())).start().waitFor();
        assertEnds(probe, ExitCode.INTERRUPTED, List.of("cleaned", "closed"));
    }

    @Test
    void workThatFailsPrintsOneLineAndSetsTheExitCode() throws Exception {
        Process probe = probe("fail");
        try (BufferedReader errors = probe.errorReader()) {
            assertEquals(
                    List.of("lockstep probe: --key: wrong"),
                    errors.lines().filter(line -> line.startsWith("lockstep")).toList());
            assertEnds(probe, ExitCode.USAGE, List.of("closed"));
        }
    }

    @Test
    void workThatIsDoneEndsTheProcess() throws Exception {
        assertEnds(probe("finish"), ExitCode.OK, List.of("closed"));
    }
}
