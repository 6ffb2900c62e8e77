// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Steps go on while the coordinator compiles what is expensive to compile.
@ExtendWith(LogsOnFailure.class)
final class HostileConstraintsIT {
    private static final int TOKENS = 40;
    private static final int REQUESTS = 12;
    private static final int TRIES = 3;
    private static final int MAX_MILLIS = 50;
    private static final int MIN_COMPILE_MILLIS = 150;

    /// Each is another one, so that none is found compiled.
    private static final List<String> HOSTILE =
            List.of(
                    "((a?){%d}b){9}(.*a.{30}c){2}",
                    "(?=.*a)(?=.*b)(?=.*c)(?=.*d)(?=.*e).{1,%d}",
                    "(\\p{L}|\\p{N}|\\p{P}){1,%d}x",
                    "(?:\\P{Lu}{1,99}\\p{Lu}{1,99}){%d}");

    /// What a compilation can have taken from a step is at most the CPU time that the threads of
    /// the compiler got between two tokens. Other processes lengthen it only by keeping this test
    /// from reading the tokens, so the best of some tries counts.
    @Test
    void noStepWaitsForACompilation() throws Exception {
        Sandbox sandbox = Sandbox.plain();
        try (ServedCluster cluster = ServedCluster.start(sandbox, Models.tiny(sandbox, 1))) {
            long coordinator = coordinator(cluster);
            long least = Long.MAX_VALUE;
            for (int attempt = 0; attempt < TRIES && least > MAX_MILLIS; attempt++) {
                least = Math.min(least, mostBetweenTokens(cluster.api(), coordinator, attempt));
            }
            assertTrue(least <= MAX_MILLIS, least + " ms of compiling between two tokens");
        }
    }

    private static long mostBetweenTokens(Api api, long coordinator, int attempt)
            throws InterruptedException {
        List<Thread> clients = new ArrayList<>();
        for (String regex : HOSTILE) {
            clients.add(Thread.ofVirtual().unstarted(() -> compile(api, regex, attempt)));
        }
        List<Long> gaps = new ArrayList<>();
        long began = compileNanos(coordinator);
        clients.forEach(Thread::start);
        while (clients.stream().anyMatch(Thread::isAlive)) {
            gaps.addAll(compileBetweenTokens(api, coordinator));
        }
        for (Thread client : clients) {
            client.join();
        }
        long millis = (compileNanos(coordinator) - began) / 1_000_000;
        long most = gaps.stream().mapToLong(gap -> gap).max().orElse(0) / 1_000_000;
        System.out.printf(
                "%d ms of compiling beside %d tokens, at most %d ms between two%n",
                millis, gaps.size(), most);
        assertTrue(millis > MIN_COMPILE_MILLIS, "only " + millis + " ms were compiled");
        return most;
    }

    private static void compile(Api api, String regex, int attempt) {
        for (int i = 0; i < REQUESTS; i++) {
            ObjectNode body = CompletionBodies.greedy(1).put("prompt", "a");
            body.put("guided_regex", regex.formatted(200 + REQUESTS * attempt + i));
            api.post(CompletionBodies.COMPLETIONS, body);
        }
    }

    /// Returns the CPU time of the compiler between the tokens of one stream.
    private static List<Long> compileBetweenTokens(Api api, long coordinator) {
        ObjectNode body = CompletionBodies.greedy(TOKENS).put("prompt", "a").put("stream", true);
        List<Long> gaps = new ArrayList<>();
        try (EventReader events = api.stream(CompletionBodies.COMPLETIONS, body)) {
            long last = -1;
            while (events.next().isPresent()) {
                long now = compileNanos(coordinator);
                if (last >= 0) {
                    gaps.add(now - last);
                }
                last = now;
            }
        }
        return gaps;
    }

    private static long coordinator(ServedCluster cluster) {
        return ProcessHandle.of(cluster.launcher().pid())
                .orElseThrow()
                .descendants()
                .filter(each -> commandLine(each.pid()).contains("coordinator"))
                .findFirst()
                .orElseThrow()
                .pid();
    }

    private static List<String> commandLine(long process) {
        return List.of(read(Path.of("/proc/" + process + "/cmdline")).orElse("").split("\0"));
    }

    /// Returns the CPU time of the threads that compile constraints.
    private static long compileNanos(long process) {
        long nanos = 0;
        try (Stream<Path> threads = Files.list(Path.of("/proc/" + process + "/task"))) {
            for (Path thread : threads.toList()) {
                if (read(thread.resolve("comm")).orElse("").startsWith("constraints-")) {
                    nanos +=
                            read(thread.resolve("schedstat"))
                                    .map(line -> Long.valueOf(line.substring(0, line.indexOf(' '))))
                                    .orElse(0L);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return nanos;
    }

    private static Optional<String> read(Path file) {
        try {
            return Optional.of(Files.readString(file));
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
