// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.lockstep.cli.console.UnusableException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class ServeBenchTest {
    private static final ObjectNode FIELDS = JsonLines.object("{\"guided_regex\":\"a+\"}");

    private final List<String> bodies = Collections.synchronizedList(new ArrayList<>());
    private final List<String> tenants = new CopyOnWriteArrayList<>();
    private final List<String> keys = new CopyOnWriteArrayList<>();
    private final AtomicInteger concurrent = new AtomicInteger();
    private final AtomicInteger maxConcurrent = new AtomicInteger();
    private int expectedConcurrent = 1;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private HttpServer server;
    private int status = 200;
    private List<String> events = List.of();

    @BeforeEach
    void serve() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 16);
        server.setExecutor(threads);
        server.createContext("/v1/completions", this::answer);
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
        threads.close();
    }

    /// Sends each event 5 ms after the previous one.
    private void answer(HttpExchange exchange) throws IOException {
        maxConcurrent.accumulateAndGet(concurrent.incrementAndGet(), Math::max);
        keys.addAll(exchange.getRequestHeaders().getOrDefault("Authorization", List.of()));
        tenants.addAll(exchange.getRequestHeaders().getOrDefault("x-lockstep-tenant", List.of()));
        bodies.add(new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
        exchange.sendResponseHeaders(status, 0);
        try (OutputStream out = exchange.getResponseBody()) {
            awaitConcurrent();
            for (int i = 0; i < events.size(); i++) {
                Thread.sleep(5);
                if (i == events.size() - 1) {
                    // Its client may send the next request before this thread goes on.
                    concurrent.decrementAndGet();
                }
                out.write((events.get(i) + "\n\n").getBytes(StandardCharsets.UTF_8));
                out.flush();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// Waits for as many concurrent requests as the test expects, since a busy machine may start a
    /// client late. The warm-up request runs alone.
    private void awaitConcurrent() throws InterruptedException {
        long deadline = System.nanoTime() + TestTimeout.HANG.toNanos();
        while (bodies.size() > 1
                && maxConcurrent.get() < expectedConcurrent
                && System.nanoTime() < deadline) {
            Thread.sleep(1);
        }
    }

    private static String tokens(Integer... ids) {
        return "data: {\"choices\":[{\"token_ids\":" + List.of(ids) + "}]}";
    }

    private ServeBench bench(int concurrency, int requests, int outputLength) {
        return new ServeBench(
                URI.create("http://127.0.0.1:" + server.getAddress().getPort()),
                Optional.of("a-key"),
                new ServeBench.Load(
                        "tiny", "", concurrency, 0, requests, 0, 3, outputLength, FIELDS));
    }

    @Test
    void everyTokenIsTimed() throws Exception {
        events =
                List.of(
                        ": a comment",
                        tokens(7),
                        tokens(),
                        tokens(8, 9),
                        tokens(10),
                        "data: {\"choices\":[],\"usage\":{}}",
                        "data: [DONE]");
        expectedConcurrent = 2;
        BenchReport report = bench(2, 6, 4).run();
        assertEquals(6, report.firstNanos().length);
        assertEquals(18, report.gapNanos().length);
        for (long first : report.firstNanos()) {
            // Two events, 5 ms each; client and server use the same clock.
            assertTrue(first >= 9_000_000, "first " + first);
        }
        // The second token of an event arrives with the first: a third of the gaps is 0.
        assertEquals(6, LongStream.of(report.gapNanos()).filter(gap -> gap == 0).count());
        assertEquals(2, maxConcurrent.get(), "as many concurrent requests as configured");
        assertEquals(7, bodies.size(), "six, and one to warm up the server");
        assertEquals(Collections.nCopies(7, "Bearer a-key"), List.copyOf(keys));
        assertEquals(7, bodies.stream().distinct().count(), "every prompt is different");
    }

    @Test
    void atARateRequestsDoNotWaitForEarlierOnes() throws Exception {
        events = List.of(tokens(7), tokens(8), tokens(9));
        expectedConcurrent = 2;
        long begin = System.nanoTime();
        URI uri = URI.create("http://127.0.0.1:" + server.getAddress().getPort());
        BenchReport report =
                new ServeBench(
                                uri,
                                Optional.empty(),
                                new ServeBench.Load("tiny", "a", 1, 200, 8, 0, 3, 3, FIELDS))
                        .run();
        assertEquals(8, report.firstNanos().length);
        // The last begins 35 ms after the first; each takes 15 ms.
        assertTrue(System.nanoTime() - begin >= 35_000_000);
        assertTrue(maxConcurrent.get() > 1, "one request at a time");
        assertEquals(List.of("a"), tenants.stream().distinct().toList());
    }

    @Tag("sweep")
    @Test
    void aRefusedRequestIsCountedAndItsClientWaitsAsLongAsRetryAfterSays() throws Exception {
        events = List.of(tokens(7));
        server.removeContext("/v1/completions");
        server.createContext(
                "/v1/completions",
                exchange -> {
                    boolean full = bodies.size() == 2;
                    status = full ? 429 : 200;
                    if (full) {
                        exchange.getResponseHeaders().add("Retry-After", "1");
                    }
                    answer(exchange);
                });
        long begin = System.nanoTime();
        BenchReport report = bench(1, 3, 1).run();
        assertEquals(2, report.firstNanos().length);
        assertEquals(1, report.refusalNanos().length);
        assertTrue(System.nanoTime() - begin >= 1_000_000_000, "the client waited for Retry-After");
    }

    @Test
    void everyRequestIgnoresTheEndOfText() throws Exception {
        events = List.of(tokens(7));
        bench(1, 1, 1).run();
        String body = bodies.getLast();
        for (String part :
                List.of(
                        "\"model\":\"tiny\"",
                        "\"stream\":true",
                        "\"temperature\":0",
                        "\"ignore_eos\":true",
                        "\"return_token_ids\":true",
                        "\"guided_regex\":\"a+\"",
                        "\"max_tokens\":1")) {
            assertTrue(body.contains(part), part + " in " + body);
        }
        assertTrue(body.matches(".*\"prompt\":\\[\\d+,\\d+,\\d+\\].*"), body);
    }

    @Test
    void aCompletionOfAnotherLengthEndsTheRun() {
        events = List.of(tokens(7), tokens(8));
        assertEquals("request -1 got 2 tokens of 4", refusal(1, 4));
        events = List.of();
        assertEquals("request -1 got 0 tokens of 1", refusal(1, 1));
    }

    @Test
    void anErrorOfTheServerEndsTheRunWithItsMessage() {
        events = List.of("data: {\"error\":{\"message\":\"the group is lost\"}}");
        assertEquals("the group is lost", refusal(3, 1));
        status = 404;
        events = List.of("{\"error\":", "\"no such model\"}");
        assertEquals("the server answers 404: {\"error\":  \"no such model\"} ", refusal(3, 1));
    }

    private String refusal(int concurrency, int outputLength) {
        return assertThrows(
                                UnusableException.class,
                                () -> bench(concurrency, 50, outputLength).run())
                        .getMessage()
                + "";
    }

    @Test
    void theFirstFailureAmongManyClientsEndsTheRunSoon() {
        events = List.of(tokens(7));
        // The warm-up request is served, all others fail.
        server.removeContext("/v1/completions");
        server.createContext(
                "/v1/completions",
                exchange -> {
                    status = bodies.isEmpty() ? 200 : 503;
                    answer(exchange);
                });
        assertTrue(refusal(4, 1).startsWith("the server answers 503"));
        assertTrue(bodies.size() < 20, bodies.size() + " requests");
    }

    // The report.

    @Test
    void percentilesAreTheNearestRank() {
        long[] hundred = LongStream.rangeClosed(1, 100).map(i -> i * 1_000_000).toArray();
        var report =
                new BenchReport(
                        hundred,
                        new long[] {2_000_000, 4_000_000},
                        new long[] {3_000_000},
                        2_000_000_000L);
        assertEquals(
                """
                101 requests, 2 at once, prompt 0 + 3, output 2 tokens, 2.0 s
                  time to first token   mean 50.5, p50 50.0, p99 99.0 ms
                  inter-token latency   mean 3.0, p50 2.0, p99 4.0 ms
                  output                100.0 tokens/s
                  prompt and output     250.0 tokens/s
                  refused               1, after mean 3.0, p50 3.0, p99 3.0 ms
                """,
                report.text(new ServeBench.Load("tiny", "", 2, 0, 101, 0, 3, 2, FIELDS)));
    }

    @Test
    void oneTokenPerRequestHasNoInterTokenLatency() {
        var report =
                new BenchReport(new long[] {1_500_000}, new long[0], new long[0], 1_000_000_000L);
        List<String> lines =
                report.text(new ServeBench.Load("tiny", "", 1, 0, 1, 0, 1, 1, FIELDS))
                        .lines()
                        .toList();
        assertEquals("  time to first token   mean 1.5, p50 1.5, p99 1.5 ms", lines.get(1));
        assertEquals("  inter-token latency   none", lines.get(2));
        assertArrayEquals(new long[0], report.gapNanos());
    }
}
