// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.cluster.LoadAwareClock;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// One rank in a separate JVM, which sums in a loop and reports its progress line by line.
final class RankProcess implements AutoCloseable {
    private static final int MAX_COUNT = 60_000;

    private static final long POLL_MILLIS = 20;

    private final Process process;
    private final BlockingQueue<String> lines = new LinkedBlockingQueue<>(1000);

    private RankProcess(Process process) {
        this.process = process;
    }

    /// @param rounds the number of sums; the rank then prints `done` and a digest of all results
    static RankProcess fork(
            Class<? extends RankOpening> opening,
            List<String> jvmOptions,
            Map<String, String> environment,
            Path folder,
            int rank,
            int size,
            int rounds)
            throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(
                List.of(
                        "--add-modules",
                        "jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-Xmx128m"));
        command.addAll(jvmOptions);
        command.addAll(
                List.of(
                        "-cp",
                        System.getProperty("java.class.path"),
                        RankProcess.class.getName(),
                        opening.getName(),
                        folder.toString(),
                        Integer.toString(rank),
                        Integer.toString(size),
                        Integer.toString(rounds)));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().putAll(environment);
        var forked = new RankProcess(builder.start());
        Thread.ofPlatform().daemon().start(forked::read);
        return forked;
    }

    private void read() {
        try (BufferedReader reader = process.inputReader()) {
            reader.lines().forEach(lines::add);
        } catch (UncheckedIOException | IOException e) {
            lines.add(e.toString());
        }
    }

    long pid() {
        return process.pid();
    }

    /// Returns the next line that begins with `start`.
    String awaitLine(String start) throws InterruptedException {
        return awaitLine(start, () -> lines.poll(HostGroup.TIMEOUT.toSeconds(), TimeUnit.SECONDS));
    }

    /// Returns the next line that begins with `start`; throws when a [LoadAwareClock] shows more
    /// than `limit` before it arrives.
    String awaitLine(String start, Duration limit) throws InterruptedException {
        try (var clock = new LoadAwareClock()) {
            return awaitLine(
                    start,
                    () -> {
                        String line = lines.poll();
                        while (line == null && clock.elapsed().compareTo(limit) < 0) {
                            line = lines.poll(POLL_MILLIS, TimeUnit.MILLISECONDS);
                        }
                        return line;
                    });
        }
    }

    /// The lines of the process: null when none arrives in time.
    @FunctionalInterface
    private interface Lines {
        @Nullable String next() throws InterruptedException;
    }

    private static String awaitLine(String start, Lines lines) throws InterruptedException {
        var seen = new StringBuilder();
        while (true) {
            String line = lines.next();
            if (line == null) {
                throw new AssertionError("no line '%s' in time, but: %s".formatted(start, seen));
            }
            if (line.startsWith(start)) {
                return line;
            }
            seen.append(line).append('\n');
        }
    }

    void signal(String name) throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-" + name, Long.toString(pid()))
                .redirectError(new File("/dev/null"))
                .start()
                .waitFor();
    }

    void awaitEnd() throws InterruptedException {
        process.waitFor();
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    // What the forked JVM runs.

    public static void main(String[] arguments) throws Exception {
        RankOpening opening =
                Class.forName(arguments[0])
                        .asSubclass(RankOpening.class)
                        .getDeclaredConstructor()
                        .newInstance();
        Path folder = Path.of(arguments[1]);
        int rank = Integer.parseInt(arguments[2]);
        int size = Integer.parseInt(arguments[3]);
        int rounds = Integer.parseInt(arguments[4]);
        var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        out.println("started");
        try (TestDevice device = opening.openDevice(rank);
                Communicator communicator =
                        opening.meet(folder, rank, size, 4 * MAX_COUNT, device.kernels())) {
            out.println("formed");
            out.println("done " + sumAll(communicator, device, rounds, out));
        } catch (CommunicatorAbortedException e) {
            out.println("aborted: " + e.getMessage());
        }
    }

    private static int sumAll(
            Communicator communicator, TestDevice device, int rounds, PrintStream out) {
        var sizes = new Random(1);
        DeviceBuffer buffer = communicator.allocate(4 * MAX_COUNT);
        int digest = 0;
        for (int round = 0; round < rounds; round++) {
            int count = 1 + sizes.nextInt(round % 8 == 0 ? MAX_COUNT : 600);
            Tensor x = buffer.tensor(0, DType.F32, 1, count);
            device.write(x, RankValues.floats(round, communicator.rank(), count));
            communicator.allReduceSum(x);
            digest = 31 * digest + Arrays.hashCode(device.floats(x));
            if (round == 20) {
                out.println("running");
            }
        }
        return digest;
    }

    /// Returns the digest that [#sumAll] must return in a group of `size`.
    static int expectedDigest(int size, int rounds) {
        var sizes = new Random(1);
        int digest = 0;
        for (int round = 0; round < rounds; round++) {
            int count = 1 + sizes.nextInt(round % 8 == 0 ? MAX_COUNT : 600);
            digest = 31 * digest + Arrays.hashCode(RankValues.rankOrderedSum(round, size, count));
        }
        return digest;
    }
}
