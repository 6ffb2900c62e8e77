package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// Clients that ask one thing after another until they are closed, and count the answers: `ok`, or
/// the code of the error.
final class Load implements AutoCloseable {
    private final Map<String, Integer> answers = new ConcurrentHashMap<>();
    private final List<Thread> clients = new ArrayList<>();
    private volatile boolean stopping;

    /// Begins with `clientCount` clients.
    Load(Api api, JsonNode request, int clientCount) {
        for (int client = 0; client < clientCount; client++) {
            clients.add(Thread.ofVirtual().name("load-" + client).start(() -> run(api, request)));
        }
    }

    private void run(Api api, JsonNode request) {
        while (!stopping) {
            String outcome;
            try {
                Api.Answer answer = api.post(Requests.COMPLETIONS, request);
                outcome = answer.status() == 200 ? "ok" : answer.errorCode();
            } catch (RuntimeException e) {
                outcome = e.toString();
            }
            answers.merge(outcome, 1, Integer::sum);
        }
    }

    /// Answers of one kind so far.
    int count(String outcome) {
        return answers.getOrDefault(outcome, 0);
    }

    /// Answers so far by kind.
    Map<String, Integer> answers() {
        return Map.copyOf(answers);
    }

    /// Every client's last question must have its answer, too.
    @Override
    public void close() {
        stopping = true;
        for (Thread client : clients) {
            assertTrue(ended(client), () -> client.getName() + " still waits for an answer");
        }
    }

    private static boolean ended(Thread client) {
        try {
            return client.join(Duration.ofMinutes(2));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
