// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.proto.v1.ChoiceTimeline;
import dev.lockstep.proto.v1.RequestTimeline;
import dev.lockstep.proto.v1.TimelineEvent;
import io.grpc.Status;
import java.net.http.HttpResponse;
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
