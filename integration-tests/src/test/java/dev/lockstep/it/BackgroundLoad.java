// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/// Clients that send one request after another until they are closed, and count the outcomes: `ok`,
/// or the error code.
final class BackgroundLoad implements AutoCloseable {
    private final Map<String, Integer> outcomes = new ConcurrentHashMap<>();
    private final List<Thread> clients = new ArrayList<>();
    private volatile boolean stopping;

    /// Starts `clientCount` clients.
    BackgroundLoad(Api api, JsonNode request, int clientCount) {
        this(() -> api, request, clientCount);
    }

    /// Starts `clientCount` clients, which ask for the coordinator of each request.
    BackgroundLoad(Supplier<Api> api, JsonNode request, int clientCount) {
        for (int client = 0; client < clientCount; client++) {
            clients.add(Thread.ofVirtual().name("load-" + client).start(() -> run(api, request)));
        }
    }

    private void run(Supplier<Api> api, JsonNode request) {
        while (!stopping) {
            String outcome;
            try {
                Api.Response response = api.get().post(CompletionBodies.COMPLETIONS, request);
                outcome = response.status() == 200 ? "ok" : response.errorCode();
            } catch (RuntimeException e) {
                outcome = e.toString();
            }
            outcomes.merge(outcome, 1, Integer::sum);
        }
    }

    /// Returns how often `outcome` has occurred.
    int count(String outcome) {
        return outcomes.getOrDefault(outcome, 0);
    }

    /// Returns the number of occurrences of each outcome.
    Map<String, Integer> outcomes() {
        return Map.copyOf(outcomes);
    }

    /// Stops the clients; fails when the last request of a client gets no response.
    @Override
    public void close() {
        stopping = true;
        for (Thread client : clients) {
            assertTrue(ended(client), () -> client.getName() + " still waits for a response");
        }
    }

    private static boolean ended(Thread client) {
        try {
            return client.join(BoundedWait.TIMEOUT);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
