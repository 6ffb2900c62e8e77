// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/// One `lockstep` command that a test started: a real JVM in a separate process group. The
/// [Sandbox] that started it ends it.
final class LockstepProcess {
    private final String name;
    private final Path folder;
    private final Process process;

    private LockstepProcess(String name, Path folder, Process process) {
        this.name = name;
        this.folder = folder;
        this.process = process;
    }

    /// Starts a command; its output is written to `name.out` and `name.err` in `folder`.
    ///
    /// @param environment additional variables
    /// @param jvmOptions additional options of its JVM and of the JVMs that it starts
    static LockstepProcess start(
            String name,
            Path folder,
            List<String> command,
            Map<String, String> environment,
            String jvmOptions) {
        try {
            // A shell that starts tests in the background may make them ignore SIGINT, and children
            // inherit this.
            List<String> words = new ArrayList<>(List.of("setsid", "env", "--default-signal=INT"));
            words.addAll(command);
            ProcessBuilder builder =
                    new ProcessBuilder(words)
                            .redirectOutput(folder.resolve(name + ".out").toFile())
                            .redirectError(folder.resolve(name + ".err").toFile());
            builder.environment().putAll(environment);
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

    /// Returns its standard output up to now.
    String output() {
        return read(name + ".out");
    }

    /// Returns its standard error up to now.
    String errors() {
        return read(name + ".err");
    }

    /// Sends a signal, named without SIG.
    void signal(String signal) {
        PosixSignals.send(signal, Long.toString(pid()));
    }

    /// Sends a signal to every process of the group: SIGINT as Ctrl-C in a terminal does, SIGTERM
    /// as service managers do.
    void signalGroup(String signal) {
        PosixSignals.send(signal, "-" + pid());
    }

    /// Waits until it ends and returns its exit code.
    int awaitExit() throws InterruptedException {
        assertTrue(
                process.waitFor(BoundedWait.TIMEOUT.toSeconds(), TimeUnit.SECONDS),
                () -> name + " did not end within " + BoundedWait.TIMEOUT);
        return process.exitValue();
    }

    /// Stops it with SIGTERM, as an operator does, and waits until it ends.
    void terminate() throws InterruptedException {
        signal("TERM");
        int code = awaitExit();
        assertEquals(0, code, () -> name + " exits with 0 after SIGTERM: " + errors());
    }

    /// Kills it and the processes that it started.
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
