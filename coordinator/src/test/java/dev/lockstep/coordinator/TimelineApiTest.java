// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.ChoiceTimeline;
import dev.lockstep.proto.v1.RequestTimeline;
import dev.lockstep.proto.v1.RequestTimelineRequest;
import dev.lockstep.proto.v1.TimelineEvent;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests of `GET /v1/requests/{id}`.
final class TimelineApiTest {
    private static TestCoordinator tiny;
    private static FakeScheduler second;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
        second = TestCoordinator.scheduler("second");
        tiny.cluster.another(Runnable::run).register(second.member());
        Eventually.await("the second group is known", () -> !second.blocks().requests().isEmpty());
    }

    @AfterAll
    static void stop() {
        second.close();
        tiny.close();
    }

    private static RequestTimeline timeline(String id, String state) {
        return RequestTimeline.newBuilder()
                .setRequestId(id)
                .addChoices(
                        ChoiceTimeline.newBuilder()
                                .setState(state)
                                .setQueuedMicros(120)
                                .setPrefillMicros(900)
                                .setDecodeMicros(5_000_000_000L)
                                .addEvents(
                                        TimelineEvent.newBuilder()
                                                .setKind("waits")
                                                .setReason("dependency")
                                                .setOnRequest("cmpl-other"))
                                .addEvents(
                                        TimelineEvent.newBuilder()
                                                .setMicros(130)
                                                .setKind("steps")
                                                .setFirstStep(7)
                                                .setLastStep(9)
                                                .setTokens(16)
                                                .setBatchRows(3)
                                                .setBatchTokens(18)))
                .build();
    }

    private static JsonNode error(HttpResponse<String> response, int status, String code) {
        assertEquals(status, response.statusCode(), response.body());
        JsonNode error = TestCoordinator.json(response.body()).get("error");
        assertEquals(code, error.get("code").asText());
        return error;
    }

    @Test
    void theTimelineOfAResponseIsFoundInAnyGroup() throws Exception {
        for (FakeScheduler each : new FakeScheduler[] {tiny.scheduler, second}) {
            each.behave(
                    call -> {
                        String id = call.request().getRequestId();
                        each.setTimeline(id, _ -> timeline(id, "finished"));
                        call.tokens(0, 5);
                        call.finishByLength(0);
                    });
        }
        for (int i = 0; i < 4; i++) {
            String id = tiny.chat("").get("id").asText();
            HttpResponse<String> response = tiny.get("/v1/requests/" + id);
            assertEquals(200, response.statusCode(), response.body());
            JsonNode found = TestCoordinator.json(response.body());
            assertEquals(id, found.get("request_id").asText());
            assertEquals(
                    TestCoordinator.json(
                                    """
                            {"choice": 0, "state": "finished", "queued_micros": 120,
                             "prefill_micros": 900, "decode_micros": 5000000000,
                             "truncated": false,
                             "events": [
                               {"micros": 0, "kind": "waits", "reason": "dependency",
                                "on_request": "cmpl-other"},
                               {"micros": 130, "kind": "steps", "first_step": 7, "last_step": 9,
                                "tokens": 16, "batch_rows": 3, "batch_tokens": 18}]}
                            """)
                            .toString(),
                    found.at("/choices/0").toString());
        }
    }

    @Test
    void aFinishedTimelineIsPreferredToAnAbortedOne() throws Exception {
        tiny.scheduler.setTimeline("cmpl-moved", _ -> timeline("cmpl-moved", "aborted"));
        second.setTimeline("cmpl-moved", _ -> timeline("cmpl-moved", "finished"));
        JsonNode found = TestCoordinator.json(tiny.get("/v1/requests/cmpl-moved").body());
        assertEquals("second", found.get("group").asText());
        assertEquals("finished", found.at("/choices/0/state").asText());
    }

    /// As a scheduler: the request is known to its tenant only.
    private static void ofTenant(String id, String tenant) {
        tiny.scheduler.setTimeline(
                id,
                question -> {
                    if (!question.getTenant().equals(tenant)) {
                        throw Status.NOT_FOUND.asRuntimeException();
                    }
                    return timeline(id, "finished");
                });
    }

    private static HttpResponse<String> get(String id, String... tenants) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(tiny.uri("/v1/requests/" + id));
        for (String tenant : tenants) {
            request.header("x-lockstep-tenant", tenant);
        }
        return tiny.send(request.build());
    }

    @Test
    void aTimelineIsKnownToTheTenantOfItsRequestOnly() throws Exception {
        ofTenant("cmpl-acme", "acme");
        assertEquals(200, get("cmpl-acme", "acme").statusCode());
        HttpResponse<String> unknown = get("cmpl-never", "globex");
        for (HttpResponse<String> response :
                List.of(get("cmpl-acme"), get("cmpl-acme", "globex"))) {
            error(response, 404, "request_not_found");
            assertEquals(
                    unknown.body().replace("cmpl-never", "cmpl-acme"),
                    response.body(),
                    "as for a request that never was");
        }
        ofTenant("cmpl-nobody", "");
        assertEquals(200, get("cmpl-nobody").statusCode());
        error(get("cmpl-nobody", "acme"), 404, "request_not_found");
        assertEquals(400, get("cmpl-acme", "acme", "globex").statusCode());
        assertEquals(400, get("cmpl-acme", "no spaces").statusCode());
    }

    @Test
    void theAdminServiceShowsATimelineToItsTenantOnly() throws Exception {
        ofTenant("cmpl-rpc", "acme");
        ManagedChannel channel =
                NettyChannelBuilder.forAddress("127.0.0.1", tiny.coordinator.port())
                        .usePlaintext()
                        .build();
        try {
            assertEquals("cmpl-rpc", describe(channel, "cmpl-rpc", "acme").getRequestId());
            for (String other : List.of("", "globex")) {
                StatusRuntimeException refusal =
                        assertThrows(
                                StatusRuntimeException.class,
                                () -> describe(channel, "cmpl-rpc", other));
                assertEquals(Status.Code.NOT_FOUND, refusal.getStatus().getCode());
            }
        } finally {
            channel.shutdownNow();
        }
    }

    private static RequestTimeline describe(ManagedChannel channel, String id, String tenant) {
        var metadata = new Metadata();
        if (!tenant.isEmpty()) {
            metadata.put(
                    Metadata.Key.of("x-lockstep-tenant", Metadata.ASCII_STRING_MARSHALLER), tenant);
        }
        return AdminGrpc.newBlockingStub(channel)
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(metadata))
                .withDeadlineAfter(Eventually.TIMEOUT)
                .describeRequest(RequestTimelineRequest.newBuilder().setRequestId(id).build());
    }

    @ParameterizedTest
    @ValueSource(strings = {"chatcmpl-0", "x", "", "a%20b", "a/b"})
    void anUnknownIdIsNotFound(String id) throws Exception {
        error(tiny.get("/v1/requests/" + id), 404, "request_not_found");
    }

    @Test
    void anUnavailableSchedulerDiffersFromOneThatDoesNotKnowTheRequest() throws Exception {
        second.setTimeline(
                "cmpl-broken",
                _ -> {
                    throw Status.UNAVAILABLE.asRuntimeException();
                });
        HttpResponse<String> response = tiny.get("/v1/requests/cmpl-broken");
        error(response, 503, "not_ready");
        assertTrue(response.headers().firstValue("retry-after").isPresent());
        second.setTimeline(
                "cmpl-older",
                _ -> {
                    throw Status.UNIMPLEMENTED.asRuntimeException();
                });
        error(tiny.get("/v1/requests/cmpl-older"), 404, "request_not_found");
    }

    @Test
    void aWrongMethodIsRefused() throws Exception {
        error(tiny.post("/v1/requests/cmpl-x", "{}"), 405, "method_not_allowed");
        error(tiny.post("/metrics", "{}"), 405, "method_not_allowed");
    }
}
