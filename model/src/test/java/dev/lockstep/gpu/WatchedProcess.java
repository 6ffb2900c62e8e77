// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.gpu;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;

/// A JVM with the class path, the devices and the fixtures of this one, whose lines are read as
/// they come. One that prints nothing for too long is ended, with those that it started.
final class WatchedProcess {
    private static final long KILLED_SECONDS = 5;

    private WatchedProcess() {}

    /// Runs `main` until it exits or is cut off.
    ///
    /// @param silence the longest time between two lines
    /// @param deadline on the clock of [System#nanoTime]
    static Result run(
            Class<?> main,
            List<String> arguments,
            Map<String, String> environment,
            Path log,
            Duration silence,
            long deadline,
            Consumer<Line> lines) {
        ProcessBuilder builder =
                new ProcessBuilder(command(main, arguments)).redirectErrorStream(true);
        builder.environment().putAll(environment);
        var queue = new LinkedBlockingQueue<Optional<String>>();
        var last = new ArrayList<String>();
        try (var output = new PrintWriter(log.toFile(), UTF_8)) {
            Process process = builder.start();
            Thread reader = Thread.ofVirtual().start(() -> read(process, queue));
            while (true) {
                long left = deadline - System.nanoTime();
                boolean late = left < silence.toNanos();
                Optional<String> line =
                        queue.poll(
                                late ? Math.max(left, 0) : silence.toNanos(), TimeUnit.NANOSECONDS);
                if (line == null) {
                    end(process);
                    return new Result(late ? Ending.LATE : Ending.SILENT, -1, last);
                }
                if (line.isEmpty()) {
                    reader.join();
                    return new Result(Ending.EXITED, process.waitFor(), last);
                }
                String text = line.get();
                output.println(text);
                Line.parse(text).ifPresentOrElse(lines, () -> last.add(text));
            }
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }

    /// How a process ended: by itself, or cut off after too long a silence or at the deadline.
    enum Ending {
        EXITED,
        SILENT,
        LATE
    }

    /// @param code its exit status, unless it was cut off
    /// @param output its other lines
    record Result(Ending ending, int code, List<String> output) {}

    private static List<String> command(Class<?> main, List<String> arguments) {
        var command = new ArrayList<String>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(
                List.of(
                        "--enable-native-access=ALL-UNNAMED",
                        "--add-modules=jdk.incubator.vector",
                        "-XX:+UseSerialGC",
                        "-Xmx2g"));
        System.getProperties().stringPropertyNames().stream()
                .filter(name -> name.startsWith("lockstep."))
                .map(name -> "-D%s=%s".formatted(name, System.getProperty(name)))
                .forEach(command::add);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
        command.addAll(arguments);
        return command;
    }

    private static void read(Process process, LinkedBlockingQueue<Optional<String>> queue) {
        try (BufferedReader reader = process.inputReader()) {
            reader.lines().forEach(line -> queue.add(Optional.of(line)));
        } catch (UncheckedIOException | IOException ended) {
            // The process was cut off.
        }
        queue.add(Optional.empty());
    }

    /// Kills the process and waits a while, so that its device is free again.
    private static void end(Process process) throws InterruptedException {
        Stream.concat(process.descendants(), Stream.of(process.toHandle()))
                .forEach(ProcessHandle::destroyForcibly);
        process.waitFor(KILLED_SECONDS, TimeUnit.SECONDS);
    }
}
