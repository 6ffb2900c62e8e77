// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cli.console.UnusableException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/// Concurrent clients that each send one streamed completion request after another and measure
/// times.
final class ServeBench {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String DATA = "data: ";
    private static final int TOO_MANY_REQUESTS = 429;

    /// The first of the prompt ids: every vocabulary has them, and the special ids at its beginning
    /// are excluded.
    private static final int FIRST_ID = 100;

    private static final long SHARED_SEED = -1;

    private static final int LAST_ID = 500;

    private final URI uri;
    private final Optional<String> apiKey;
    private final Load load;
    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final AtomicInteger next = new AtomicInteger();

    /// The requests to send; lengths in tokens.
    ///
    /// @param tenant the tenant of the requests; empty for none
    /// @param rate requests started per second, whether or not earlier ones have ended; 0: each of
    ///   `concurrency` clients starts its next request when the previous one has ended
    /// @param fields added to every request
    record Load(
            String model,
            String tenant,
            int concurrency,
            int rate,
            int requests,
            int sharedLength,
            int promptLength,
            int outputLength,
            ObjectNode fields) {}

    /// The outcome of a request.
    sealed interface Outcome {}

    /// A completed request: nanoseconds from the request to its first token, and between tokens.
    record Served(long first, List<Long> gaps) implements Outcome {}

    /// A request refused with status 429: nanoseconds from the request to the response, and the
    /// value of `Retry-After`.
    record Refused(long nanos, int retryAfterSeconds) implements Outcome {}

    /// @param apiKey the server's, if it needs one
    ServeBench(URI base, Optional<String> apiKey, Load load) {
        this.apiKey = apiKey;
        this.uri = base.resolve("/v1/completions");
        this.load = load;
    }

    /// Sends one request to warm up the server, then all requests. The first failure ends the run;
    /// a refusal with status 429 is not a failure.
    BenchReport run() throws IOException, InterruptedException {
        send(-1);
        long start = System.nanoTime();
        List<Outcome> all = new ArrayList<>();
        try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
            CompletionService<List<Outcome>> running = new ExecutorCompletionService<>(clients);
            int tasks = load.rate == 0 ? load.concurrency : load.requests;
            for (int i = 0; i < tasks; i++) {
                long begin = start + (load.rate == 0 ? 0 : i * 1_000_000_000L / load.rate);
                running.submit(load.rate == 0 ? this::client : () -> sendAt(begin));
            }
            try {
                for (int i = 0; i < tasks; i++) {
                    all.addAll(running.take().get());
                }
            } catch (ExecutionException e) {
                clients.shutdownNow();
                throw failure(e);
            }
        }
        return BenchReport.of(all, System.nanoTime() - start);
    }

    private static RuntimeException failure(ExecutionException e) throws IOException {
        return switch (e.getCause()) {
            case RuntimeException cause -> cause;
            case IOException cause -> throw cause;
            case null, default -> new IllegalStateException(e);
        };
    }

    private List<Outcome> client() throws IOException, InterruptedException {
        List<Outcome> seen = new ArrayList<>();
        for (int i = next.getAndIncrement(); i < load.requests; i = next.getAndIncrement()) {
            Outcome outcome = send(i);
            seen.add(outcome);
            if (outcome instanceof Refused refused) {
                TimeUnit.SECONDS.sleep(refused.retryAfterSeconds);
            }
        }
        return seen;
    }

    private List<Outcome> sendAt(long beginNanos) throws IOException, InterruptedException {
        TimeUnit.NANOSECONDS.sleep(beginNanos - System.nanoTime());
        return List.of(send(next.getAndIncrement()));
    }

    private Outcome send(int number) throws IOException, InterruptedException {
        HttpRequest.Builder builder =
                HttpRequest.newBuilder(uri)
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString(body(number)));
        if (!load.tenant.isEmpty()) {
            builder.header("x-lockstep-tenant", load.tenant);
        }
        apiKey.ifPresent(key -> builder.header("Authorization", "Bearer " + key));
        HttpRequest request = builder.build();
        long start = System.nanoTime();
        HttpResponse<Stream<String>> response;
        try {
            response = http.send(request, HttpResponse.BodyHandlers.ofLines());
        } catch (ConnectException e) {
            throw new UnusableException(
                    "nothing listens at %s: start lockstep serve, or name a server with --url"
                            .formatted(uri.resolve("/")));
        }
        int seen = 0;
        long first = 0;
        long last = start;
        List<Long> gaps = new ArrayList<>();
        try (Stream<String> lines = response.body()) {
            if (response.statusCode() == TOO_MANY_REQUESTS) {
                return refused(response, start);
            }
            if (response.statusCode() != 200) {
                throw new UnusableException(
                        "the server answers %d: %s"
                                .formatted(
                                        response.statusCode(), String.join(" ", lines.toList())));
            }
            for (String line : (Iterable<String>) lines::iterator) {
                int tokens = tokens(line);
                long now = System.nanoTime();
                for (int i = 0; i < tokens; i++) {
                    if (seen++ == 0) {
                        first = now - start;
                    } else {
                        // Tokens of one event arrive together: the first has the whole gap.
                        gaps.add(i == 0 ? now - last : 0);
                    }
                    last = now;
                }
            }
        }
        if (seen != load.outputLength) {
            throw new UnusableException(
                    "request %d got %d tokens of %d".formatted(number, seen, load.outputLength));
        }
        return new Served(first, gaps);
    }

    private static Refused refused(HttpResponse<Stream<String>> response, long start) {
        response.body().forEach(_ -> {});
        return new Refused(
                System.nanoTime() - start,
                (int) response.headers().firstValueAsLong("retry-after").orElse(0));
    }

    private String body(int number) {
        ObjectNode body = JSON.createObjectNode();
        body.put("model", load.model)
                .put("stream", true)
                .put("temperature", 0)
                .put("ignore_eos", true)
                .put("return_token_ids", true)
                .put("max_tokens", load.outputLength)
                .setAll(load.fields);
        ArrayNode prompt = body.putArray("prompt");
        // Another tenant or concurrency has other prompts: of an earlier run, only the shared
        // prefix is cached.
        int run = 31 * load.tenant.hashCode() + load.concurrency;
        var random = new Random((long) run << 32 | number);
        var shared = new Random(SHARED_SEED);
        for (int i = 0; i < load.sharedLength; i++) {
            prompt.add(shared.nextInt(FIRST_ID, LAST_ID));
        }
        for (int i = 0; i < load.promptLength; i++) {
            prompt.add(random.nextInt(FIRST_ID, LAST_ID));
        }
        return body.toString();
    }

    private static int tokens(String line) throws IOException {
        if (!line.startsWith(DATA) || line.equals("data: [DONE]")) {
            return 0;
        }
        JsonNode event = JSON.readTree(line.substring(DATA.length()));
        if (event.has("error")) {
            throw new UnusableException(event.get("error").path("message").asText());
        }
        return event.path("choices").path(0).path("token_ids").size();
    }
}
