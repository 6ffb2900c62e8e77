package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// One `lockstep` command that a test started, a real JVM in a process group of its own. The
/// [Sandbox] it was started in ends it.
final class LockstepProcess {
    private final String name;
    private final Path folder;
    private final Process process;

    private LockstepProcess(String name, Path folder, Process process) {
        this.name = name;
        this.folder = folder;
        this.process = process;
    }

    /// Starts a command; what it prints goes to `name.out` and `name.err` in `folder`.
    ///
    /// @param jvmOptions what its JVM, and those it starts, get beside the usual
    static LockstepProcess start(
            String name, Path folder, List<String> command, String jvmOptions) {
        try {
            // A shell that starts tests in the background may have them ignore SIGINT, which is
            // inherited.
            List<String> words = new ArrayList<>(List.of("setsid", "env", "--default-signal=INT"));
            words.addAll(command);
            ProcessBuilder builder =
                    new ProcessBuilder(words)
                            .redirectOutput(folder.resolve(name + ".out").toFile())
                            .redirectError(folder.resolve(name + ".err").toFile());
            if (!jvmOptions.isEmpty()) {
                builder.environment().put("JDK_JAVA_OPTIONS", jvmOptions);
            }
            return new LockstepProcess(name, folder, builder.start());
        } catch (IOException e) {
            throw new UncheckedIOException("cannot start " + name, e);
        }
    }

    String name() {
        return name;
    }

    long pid() {
        return process.pid();
    }

    boolean isAlive() {
        return process.isAlive();
    }

    /// What it has printed so far.
    String output() {
        return read(name + ".out");
    }

    /// What it has said on standard error so far.
    String errors() {
        return read(name + ".err");
    }

    /// Sends it a signal, by name without SIG.
    void signal(String signal) {
        Signals.send(signal, Long.toString(pid()));
    }

    /// As Ctrl-C in a terminal does: everybody in the group gets SIGINT.
    void interruptGroup() {
        Signals.send("INT", "-" + pid());
    }

    /// Its exit code, once it has ended.
    int awaitExit(Duration patience) throws InterruptedException {
        assertTrue(
                process.waitFor(patience.toMillis(), TimeUnit.MILLISECONDS),
                () -> name + " did not end within " + patience.toSeconds() + " s");
        return process.exitValue();
    }

    /// Stops it as an operator does, and waits.
    void terminate() throws InterruptedException {
        signal("TERM");
        int code = awaitExit(Eventually.PATIENCE);
        assertEquals(0, code, () -> name + " ends well after SIGTERM: " + errors());
    }

    /// Ends it and what it started, however it feels about it.
    void destroy() {
        List<ProcessHandle> descendants = process.descendants().toList();
        process.destroyForcibly();
        descendants.forEach(ProcessHandle::destroyForcibly);
        try {
            process.waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private String read(String file) {
        try {
            return Files.readString(folder.resolve(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
