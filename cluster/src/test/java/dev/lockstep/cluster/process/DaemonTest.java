package dev.lockstep.cluster.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Stops processes of [DaemonProbe] in every way there is.
@Timeout(60)
class DaemonTest {

    /// A quick stop takes 1.5 s at most, and a JVM under load some time to be told and to go.
    private static final Duration QUICK = Duration.ofSeconds(5);

    @TempDir
    @SuppressWarnings("NullAway.Init") // JUnit sets it
    private Path folder;

    @Test
    void sigtermDrainsAndClosesInReverseOrder() throws Exception {
        try (Probe probe = new Probe("fail")) {
            probe.awaitLine("ready");
            probe.signal("TERM");
            probe.awaitExit(ExitCode.OK, QUICK);
            assertEquals(List.of("ready", "second closed TERMINATED", "first closed"), probe.lines);
        }
    }

    @Test
    void sigintStopsAtOnceAndSaysSo() throws Exception {
        try (Probe probe = new Probe("drain")) {
            probe.awaitLine("ready");
            probe.signal("INT");
            probe.awaitExit(ExitCode.INTERRUPTED, QUICK);
            assertEquals(
                    List.of("ready", "second closed INTERRUPTED", "first closed"), probe.lines);
        }
    }

    @Test
    void aSecondSigtermIsIgnoredAndASigintHurriesADrain() throws Exception {
        try (Probe probe = new Probe("drain")) {
            probe.awaitLine("ready");
            probe.signal("TERM");
            probe.awaitLine("draining");
            probe.signal("TERM");
            assertTrue(probe.process.isAlive());
            probe.signal("INT");
            probe.awaitExit(ExitCode.INTERRUPTED, QUICK);
            assertEquals(List.of("ready", "draining", "first closed"), probe.lines);
        }
    }

    @Test
    void theEndOfTheParentPipeStopsAChild() throws Exception {
        try (Probe probe = new Probe("parent-pipe", "drain")) {
            probe.awaitLine("ready");
            probe.process.getOutputStream().close();
            probe.awaitExit(ExitCode.OK, QUICK);
            assertEquals(
                    List.of("ready", "second closed PARENT_GONE", "first closed"), probe.lines);
        }
    }

    @Test
    void withoutBeingAskedTheEndOfStandardInputMeansNothing() throws Exception {
        try (Probe probe = new Probe()) {
            probe.process.getOutputStream().close();
            probe.awaitLine("ready");
            probe.signal("TERM");
            probe.awaitExit(ExitCode.OK, QUICK);
            assertEquals(List.of("ready", "second closed TERMINATED", "first closed"), probe.lines);
        }
    }

    @Test
    void whatHangsIsHaltedWhenTheBudgetIsOver() throws Exception {
        try (Probe hanging = new Probe("hang", "short-drain");
                Probe starting = new Probe("slow-start")) {
            hanging.awaitLine("ready");
            starting.awaitLine("ready");
            hanging.signal("TERM");
            starting.signal("TERM");
            hanging.awaitExit(ExitCode.FAILED, QUICK);
            starting.awaitExit(ExitCode.FAILED, QUICK);
        }
    }

    @Test
    void aProcessEndsWithTheCodeItChose() throws Exception {
        try (Probe own = new Probe("exit");
                Probe foreign = new Probe("system-exit")) {
            own.awaitExit(7, QUICK);
            foreign.awaitExit(5, QUICK);
            own.awaitLine("first closed");
            assertEquals(List.of("ready", "second closed FINISHED", "first closed"), own.lines);
            foreign.awaitLine("first closed");
            assertEquals(List.of("ready", "second closed FINISHED", "first closed"), foreign.lines);
        }
    }

    @Test
    void logsGoToTheFileOfTheProcessInItsRunFolder() throws Exception {
        try (Probe probe = new Probe()) {
            probe.awaitLine("ready");
            probe.signal("TERM");
            probe.awaitExit(ExitCode.OK, QUICK);
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
            List<String> command =
                    new ArrayList<>(
                            List.of(
                                    Path.of(System.getProperty("java.home"), "bin", "java")
                                            .toString(),
                                    "-XX:+UseSerialGC",
                                    "-XX:TieredStopAtLevel=1",
                                    "-Dlog4j2.configurationFile=log4j2.properties",
                                    "-Dlockstep.run=" + run,
                                    "-Dlockstep.process=probe",
                                    "-cp",
                                    System.getProperty("java.class.path"),
                                    DaemonProbe.class.getName()));
            command.addAll(List.of(words));
            process =
                    new ProcessBuilder(command)
                            .redirectError(ProcessBuilder.Redirect.INHERIT)
                            .start();
            output = process.inputReader(StandardCharsets.UTF_8);
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

        void signal(String name) throws IOException, InterruptedException {
            new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).start().waitFor();
        }

        void awaitExit(int code, Duration limit) throws IOException, InterruptedException {
            assertTrue(
                    process.waitFor(
                            limit.plus(Duration.ofSeconds(5)).toMillis(), TimeUnit.MILLISECONDS),
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
