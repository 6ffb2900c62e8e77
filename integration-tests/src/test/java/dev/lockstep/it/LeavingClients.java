// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/// Clients that begin one stream after another and leave at a random event, or before the first,
/// until they are closed.
final class LeavingClients implements AutoCloseable {
    private static final int CLIENTS = 2;

    private final Map<String, Integer> unexpected = new ConcurrentHashMap<>();
    private final List<Thread> threads = new ArrayList<>();
    private final Api api;
    private final int tokens;
    private final AtomicInteger left;
    private volatile boolean stopping;

    LeavingClients(Api api, int tokens, long seed, AtomicInteger left) {
        this.api = api;
        this.tokens = tokens;
        this.left = left;
        for (int client = 0; client < CLIENTS; client++) {
            var random = new Random(seed + client);
            threads.add(Thread.ofVirtual().name("leaves-" + client).start(() -> run(random)));
        }
    }

    private void run(Random random) {
        while (!stopping) {
            int events = random.nextInt(tokens);
            JsonNode body =
                    CompletionBodies.greedy(List.of(3 + random.nextInt(40), 6), tokens)
                            .put("stream", true);
            try (EventReader stream = api.stream(CompletionBodies.COMPLETIONS, body)) {
                for (int i = 0; i < events && stream.status() == 200; i++) {
                    JsonNode event = stream.next().orElseThrow();
                    if (event.has("error")) {
                        unexpected.merge(event.toString(), 1, Integer::sum);
                        break;
                    }
                }
                left.incrementAndGet();
            } catch (RuntimeException e) {
                unexpected.merge(e.toString(), 1, Integer::sum);
            }
        }
    }

    /// Returns what the clients saw besides events and refusals.
    Map<String, Integer> unexpected() {
        return Map.copyOf(unexpected);
    }

    @Override
    public void close() {
        stopping = true;
        for (Thread thread : threads) {
            try {
                assertTrue(thread.join(BoundedWait.TIMEOUT), () -> thread.getName() + " hangs");
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
