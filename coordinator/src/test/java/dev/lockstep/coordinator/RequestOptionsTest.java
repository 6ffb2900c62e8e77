// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.InferenceGrpc;
import dev.lockstep.proto.v1.InferenceRequest;
import dev.lockstep.proto.v1.ServiceClass;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.io.UncheckedIOException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests of the scheduling and caching options of requests, from clients to a scheduler.
final class RequestOptionsTest {
    private static final String ALL =
            "\"priority\":-3,\"deadline_ms\":60000,\"service_class\":\"guaranteed\","
                    + "\"cache_salt\":\"pepper\",\"cache_priority\":80,\"cache_ttl_ms\":5000";

    private static TestCoordinator tiny;
    private static ManagedChannel channel;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
        channel =
                NettyChannelBuilder.forAddress("127.0.0.1", tiny.coordinator.port())
                        .usePlaintext()
                        .build();
    }

    @AfterAll
    static void stop() {
        channel.shutdownNow();
        tiny.close();
    }

    @BeforeEach
    void respondToAllRequests() {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("Hi"));
                    call.finishByLength(0);
                });
    }

    private static HttpResponse<String> post(String path, String body, String... tenants)
            throws Exception {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(tiny.uri(path))
                        .POST(HttpRequest.BodyPublishers.ofString(body));
        for (String tenant : tenants) {
            request.header("X-Lockstep-Tenant", tenant);
        }
        return tiny.send(request.build());
    }

    private static void assertAll(GenerateRequest sent) {
        assertEquals("acme", sent.getTenant());
        assertEquals(-3, sent.getPriority());
        assertEquals(ServiceClass.SERVICE_CLASS_GUARANTEED, sent.getServiceClass());
        assertEquals("pepper", sent.getCacheSalt());
        assertEquals(80, sent.getCachePriority());
        assertEquals(5000, sent.getCacheTtlMs());
        // A minute minus the time in the coordinator.
        assertTrue(sent.getDeadlineMs() > 50_000 && sent.getDeadlineMs() <= 60_000);
    }

    @Test
    void optionsReachTheSchedulerFromBothRoutes() throws Exception {
        assertEquals(
                200,
                post("/v1/chat/completions", TestCoordinator.chatBody(ALL), "acme").statusCode());
        assertAll(tiny.scheduler.nextCall().request());
        String body = "{\"model\":\"tiny\",\"prompt\":\"Hello\"," + ALL + "}";
        HttpResponse<String> response = post("/v1/completions", body, "acme");
        assertEquals(200, response.statusCode());
        GenerateRequest sent = tiny.scheduler.nextCall().request();
        assertAll(sent);
        assertEquals(TestCoordinator.json(response.body()).get("id").asText(), sent.getRequestId());
    }

    @Test
    void optionsReachTheSchedulerOverGrpc() throws Exception {
        var headers = new Metadata();
        headers.put(Metadata.Key.of("x-lockstep-tenant", Metadata.ASCII_STRING_MARSHALLER), "acme");
        List<InferenceEvent> events = new ArrayList<>();
        InferenceGrpc.newBlockingStub(channel)
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
                .generate(
                        InferenceRequest.newBuilder()
                                .setModel("tiny")
                                .setPrompt("Hello")
                                .setPriority(-3)
                                .setDeadlineMs(60_000)
                                .setServiceClass("guaranteed")
                                .setCacheSalt("pepper")
                                .setCachePriority(80)
                                .setCacheTtlMs(5000)
                                .build())
                .forEachRemaining(events::add);
        GenerateRequest sent = tiny.scheduler.nextCall().request();
        assertAll(sent);
        assertEquals(sent.getRequestId(), events.getFirst().getId());
        assertEquals("", events.getLast().getId());
    }

    @Test
    void byDefaultARequestIsBestEffortWithoutADeadline() throws Exception {
        tiny.chat("\"priority\":null,\"deadline_ms\":0,\"service_class\":\"best_effort\"");
        GenerateRequest sent = tiny.scheduler.nextCall().request();
        assertEquals("", sent.getTenant());
        assertEquals(0, sent.getDeadlineMs());
        assertEquals(ServiceClass.SERVICE_CLASS_BEST_EFFORT, sent.getServiceClass());
        assertEquals(0, sent.getCachePriority());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "priority | 2147483648 | it must lie in [-2147483648, 2147483647]",
                "priority | 1.5 | must be a whole number",
                "deadline_ms | -1 | it must lie in [0, 604800000]",
                "deadline_ms | 604800001 | deadline_ms is 604800001, it must lie in [0, 604800000]",
                "service_class | \"gold\" | is gold, it must lie in {guaranteed, best_effort}",
                "service_class | 1 | must be text",
                "cache_salt | 7 | must be text",
                "cache_priority | 0 | it must lie in [1, 100]",
                "cache_priority | 101 | it must lie in [1, 100]",
                "cache_ttl_ms | -5 | it must lie in [0, 604800000]"
            })
    void anInvalidOptionIsNamedWithItsLimit(String field, String value, String message)
            throws Exception {
        JsonNode error =
                error(
                        post(
                                "/v1/chat/completions",
                                TestCoordinator.chatBody("\"" + field + "\":" + value)),
                        400);
        assertEquals(field, error.get("param").asText());
        assertTrue(error.get("message").asText().contains(message), error.toString());
        assertFalse(tiny.scheduler.hasCalls());
    }

    @Test
    void aTooLongSaltIsRefused() throws Exception {
        String body = TestCoordinator.chatBody("\"cache_salt\":\"" + "s".repeat(257) + "\"");
        JsonNode error = error(post("/v1/chat/completions", body), 400);
        assertEquals("cache_salt", error.get("param").asText());
        assertTrue(error.get("message").asText().contains("257 characters, at most 256"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"a b", "caf\u00e9"})
    void aTenantThatIsNotPrintableIsRefused(String tenant) throws Exception {
        JsonNode error =
                error(post("/v1/chat/completions", TestCoordinator.chatBody(""), tenant), 400);
        assertEquals("x-lockstep-tenant", error.get("param").asText());
        assertTrue(error.get("message").asText().contains("printable"), error.toString());
    }

    @Test
    void aTenantThatIsTooLongOrGivenTwiceIsRefused() throws Exception {
        String body = TestCoordinator.chatBody("");
        JsonNode tooLong = error(post("/v1/chat/completions", body, "t".repeat(129)), 400);
        assertTrue(tooLong.get("message").asText().contains("129 characters, at most 128"));
        JsonNode twice = error(post("/v1/chat/completions", body, "a", "b"), 400);
        assertTrue(twice.get("message").asText().contains("given 2 times"), twice.toString());
    }

    @Test
    void theDeadlineCountsFromTheArrivalAndNotFromTheEndOfTheBody() throws Exception {
        HttpRequest request =
                HttpRequest.newBuilder(tiny.uri("/v1/chat/completions"))
                        .POST(
                                HttpRequest.BodyPublishers.ofInputStream(
                                        () ->
                                                slowly(
                                                        TestCoordinator.chatBody(
                                                                "\"deadline_ms\":100"))))
                        .build();
        JsonNode error = error(tiny.send(request), 504);
        assertEquals("deadline_exceeded", error.get("code").asText());
        assertEquals("deadline_ms", error.get("param").asText());
        assertFalse(tiny.scheduler.hasCalls());
    }

    /// Returns a stream with the first byte at once, and the others 400 ms later.
    private static InputStream slowly(String body) {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        InputStream late =
                new ByteArrayInputStream(bytes, 1, bytes.length - 1) {
                    private boolean waited;

                    @Override
                    public synchronized int read(byte[] into, int from, int count) {
                        if (!waited) {
                            waited = true;
                            try {
                                Thread.sleep(400);
                            } catch (InterruptedException e) {
                                throw new UncheckedIOException(new IOException(e));
                            }
                        }
                        return super.read(into, from, count);
                    }
                };
        return new SequenceInputStream(new ByteArrayInputStream(bytes, 0, 1), late);
    }

    @Test
    void aDeadlineThatPassesInTheSchedulerGivesStatus504() throws Exception {
        tiny.scheduler.behave(
                call -> call.fail(Status.DEADLINE_EXCEEDED.withDescription("60 s are over")));
        for (String stream : new String[] {"", "\"stream\":true"}) {
            JsonNode error =
                    error(post("/v1/chat/completions", TestCoordinator.chatBody(stream)), 504);
            assertEquals("deadline_exceeded", error.get("code").asText());
            assertEquals("60 s are over", error.get("message").asText());
        }
        StatusRuntimeException late =
                assertThrows(
                        StatusRuntimeException.class,
                        () ->
                                InferenceGrpc.newBlockingStub(channel)
                                        .generate(
                                                InferenceRequest.newBuilder()
                                                        .setModel("tiny")
                                                        .setPrompt("a")
                                                        .build())
                                        .hasNext());
        assertEquals(Status.Code.DEADLINE_EXCEEDED, late.getStatus().getCode());
    }

    @Test
    void aDeadlineThatPassesDuringAStreamIsAnErrorEvent() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("Hello"));
                    call.fail(Status.DEADLINE_EXCEEDED);
                });
        List<JsonNode> events = tiny.chatEvents("");
        assertEquals("deadline_exceeded", events.getLast().at("/error/code").asText());
        assertEquals("deadline_ms", events.getLast().at("/error/param").asText());
    }

    private static JsonNode error(HttpResponse<String> response, int status) {
        assertEquals(status, response.statusCode(), response.body());
        return TestCoordinator.json(response.body()).get("error");
    }
}
