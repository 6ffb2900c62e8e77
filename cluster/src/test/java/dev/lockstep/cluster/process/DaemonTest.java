// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Tests that stop processes of [DaemonProbe] in every way there is.
@Tag("processes")
class DaemonTest {

    @TempDir
    @SuppressWarnings("NullAway.Init") // JUnit sets it
    private Path folder;

    @Test
    void sigtermDrainsAndClosesInReverseOrder() throws Exception {
        try (var probe = new Probe("fail")) {
            probe.awaitLine("ready");
            probe.signal("TERM");
            probe.awaitExit(ExitCode.OK);
            assertEquals(List.of("ready", "second closed TERMINATED", "first closed"), probe.lines);
        }
    }

    @Test
    void sigintStopsAtOnceWithItsExitCode() throws Exception {
        try (var probe = new Probe("drain")) {
            probe.awaitLine("ready");
            probe.signal("INT");
            probe.awaitExit(ExitCode.INTERRUPTED);
            assertEquals(
                    List.of("ready", "second closed INTERRUPTED", "first closed"), probe.lines);
        }
    }

    @Test
    void aSecondSigtermIsIgnoredAndASigintEndsADrain() throws Exception {
        try (var probe = new Probe("drain")) {
            probe.awaitLine("ready");
            probe.signal("TERM");
            probe.awaitLine("draining");
            probe.signal("TERM");
            assertTrue(probe.process.isAlive());
            probe.signal("INT");
            probe.awaitExit(ExitCode.INTERRUPTED);
            assertEquals(List.of("ready", "draining", "first closed"), probe.lines);
        }
    }

    @Test
    void theEndOfTheParentPipeStopsAChild() throws Exception {
        try (var probe = new Probe("parent-pipe", "drain")) {
            probe.awaitLine("ready");
            probe.process.getOutputStream().close();
            probe.awaitExit(ExitCode.OK);
            assertEquals(
                    List.of("ready", "second closed PARENT_GONE", "first closed"), probe.lines);
        }
    }

    /// A signal to the process group reaches parent and child; the parent says what to do.
    @Test
    void aChildTellsItsParentOfASigtermAndStopsWhenTheParentSaysSo() throws Exception {
        try (var draining = new Probe("parent-pipe");
                var replaced = new Probe("parent-pipe", "drain")) {
            for (Probe probe : List.of(draining, replaced)) {
                probe.awaitLine("ready");
                probe.signal("TERM");
                probe.awaitLine(Daemon.TERMINATED);
                assertTrue(probe.process.isAlive());
            }
            draining.say("something else");
            draining.say(Daemon.DRAIN);
            draining.awaitExit(ExitCode.OK);
            assertEquals("second closed TERMINATED", draining.lines.get(2));
            replaced.say(Daemon.HAND_OVER);
            replaced.awaitExit(ExitCode.OK);
            assertEquals("second closed REPLACED", replaced.lines.get(2));
        }
    }

    @Test
    void aClosingSetsTheExitCodeUnlessTheReasonHasOne() throws Exception {
        try (var terminated = new Probe("unfinished");
                var interrupted = new Probe("unfinished")) {
            terminated.awaitLine("ready");
            interrupted.awaitLine("ready");
            terminated.signal("TERM");
            interrupted.signal("INT");
            terminated.awaitExit(ExitCode.UNFINISHED);
            interrupted.awaitExit(ExitCode.INTERRUPTED);
        }
    }

    @Test
    void withoutParentPipeTheEndOfStandardInputIsIgnored() throws Exception {
        try (var probe = new Probe()) {
            probe.process.getOutputStream().close();
            probe.awaitLine("ready");
            probe.signal("TERM");
            probe.awaitExit(ExitCode.OK);
            assertEquals(List.of("ready", "second closed TERMINATED", "first closed"), probe.lines);
        }
    }

    @Test
    void aHangingProcessIsHaltedAtTheEndOfItsBudget() throws Exception {
        try (var hanging = new Probe("hang", "short-drain");
                var starting = new Probe("slow-start")) {
            hanging.awaitLine("ready");
            starting.awaitLine("ready");
            hanging.signal("TERM");
            starting.signal("TERM");
            hanging.awaitExit(ExitCode.FAILED);
            starting.awaitExit(ExitCode.FAILED);
        }
    }

    @Test
    void aProcessExitsWithTheRequestedCode() throws Exception {
        try (var own = new Probe("exit");
                var foreign = new Probe("system-exit")) {
            own.awaitExit(7);
            foreign.awaitExit(5);
            own.awaitLine("first closed");
            assertEquals(List.of("ready", "second closed FINISHED", "first closed"), own.lines);
            foreign.awaitLine("first closed");
            assertEquals(List.of("ready", "second closed FINISHED", "first closed"), foreign.lines);
        }
    }

    @Test
    void aThreadThatDiesEndsTheProcessWithALine() throws Exception {
        try (var probe = new Probe("thread-dies")) {
            probe.awaitExit(ExitCode.FAILED);
            assertEquals(
                    List.of("ready", "second closed FINISHED", "first closed"),
                    probe.lines.stream().distinct().toList());
            assertEquals(
                    List.of(
                            "lockstep probe: thread keeper died: java.lang.IllegalStateException: no more"),
                    Files.readAllLines(probe.errors()));
        }
    }

    @Test
    void aLogRotatesAndItsSizeIsBounded() throws Exception {
        try (var probe = new Probe("log")) {
            probe.awaitLine("ready");
            probe.signal("TERM");
            probe.awaitExit(ExitCode.OK);
            try (Stream<Path> files = Files.list(probe.log().getParent())) {
                assertEquals(
                        Set.of(
                                "probe.err",
                                "probe.log",
                                "probe.log.1",
                                "probe.log.2",
                                "probe.log.3"),
                        files.map(file -> file.getFileName().toString())
                                .collect(Collectors.toSet()));
            }
            for (String file : List.of("probe.log", "probe.log.1", "probe.log.3")) {
                Path path = probe.log().resolveSibling(file);
                assertTrue(Files.size(path) < 11_000, file + " has " + Files.size(path) + " bytes");
                assertEquals(
                        "rw-------",
                        PosixFilePermissions.toString(Files.getPosixFilePermissions(path)));
            }
            assertTrue(Files.readAllLines(probe.log()).getLast().endsWith("probe stopped"));
        }
    }

    @Test
    void logsGoToTheFileOfTheProcessInItsRunFolder() throws Exception {
        try (var probe = new Probe()) {
            probe.awaitLine("ready");
            probe.signal("TERM");
            probe.awaitExit(ExitCode.OK);
            List<String> log = Files.readAllLines(probe.log());
            assertTrue(
                    log.getFirst()
                            .matches(
                                    "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z INFO  \\[.*] Daemon probe stops: TERMINATED"),
                    log.toString());
            assertTrue(log.getLast().endsWith("Daemon probe stopped"), log.toString());
        }
    }

    /// One forked JVM.
    private final class Probe implements AutoCloseable {

        final Process process;
        final List<String> lines = new ArrayList<>();
        private final BufferedReader output;
        private final Path run;

        Probe(String... words) throws IOException {
            run = Files.createTempDirectory(folder, "run");
            // A shell that starts tests in the background may make them ignore SIGINT, and children
            // inherit this.
            List<String> command =
                    new ArrayList<>(
                            List.of(
                                    "env",
                                    "--default-signal=INT",
                                    Path.of(System.getProperty("java.home"), "bin", "java")
                                            .toString(),
                                    "-XX:+UseSerialGC",
                                    "-XX:TieredStopAtLevel=1",
                                    "-Dlog4j2.configurationFile=log4j2.properties",
                                    "-Dlockstep.run=" + run,
                                    "-Dlockstep.process=probe",
                                    "-Dlockstep.log.size=10KB",
                                    "-cp",
                                    System.getProperty("java.class.path"),
                                    DaemonProbe.class.getName()));
            command.addAll(List.of(words));
            process = new ProcessBuilder(command).redirectError(errors().toFile()).start();
            output = process.inputReader(StandardCharsets.UTF_8);
        }

        Path errors() {
            return run.resolve("probe.err");
        }

        Path log() {
            return run.resolve("probe.log");
        }

        void awaitLine(String expected) throws IOException {
            while (!lines.contains(expected)) {
                String line = output.readLine();
                if (line == null) {
                    throw new AssertionError("no \"" + expected + "\" but " + lines);
                }
                lines.add(line);
            }
        }

        void say(String word) throws IOException {
            process.outputWriter(StandardCharsets.US_ASCII).append(word).append('\n').flush();
        }

        void signal(String name) throws IOException, InterruptedException {
            new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).start().waitFor();
        }

        /// Waits for a quick stop: one that drains takes ten times as long as this allows.
        void awaitExit(int code) throws IOException, InterruptedException {
            assertTrue(
                    process.waitFor(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS),
                    "still alive");
            output.lines().forEach(lines::add);
            assertEquals(code, process.exitValue(), lines::toString);
        }

        @Override
        public void close() {
            process.destroyForcibly();
        }
    }
}
