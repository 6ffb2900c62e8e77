// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Eventually;
import io.grpc.Status;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Tests of responses whose clients leave, or never wait.
final class BackgroundResponsesTest {
    private static TestCoordinator tiny;
    private static ResponsesClient client;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
        client = new ResponsesClient(tiny);
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    @Test
    void aBackgroundResponseRunsWithoutItsClient() throws Exception {
        var mayGoOn = new CountDownLatch(1);
        tiny.scheduler.behave(
                call -> {
                    call.tokens(0, tiny.ids("Yes."));
                    if (mayGoOn.await(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS)) {
                        call.finish(0, true, TestCoordinator.END);
                    }
                });
        JsonNode queued = client.create("\"background\":true");
        assertEquals("queued", queued.path("status").asText());
        String id = queued.path("id").asText();
        Eventually.await(
                "it is in progress",
                () -> client.get(id).path("status").asText().equals("in_progress"));
        assertEquals(1, client.get(id + "/input_items").path("data").size());
        HttpResponse<String> early =
                tiny.post(
                        ResponsesClient.PATH,
                        ResponsesClient.body("\"previous_response_id\":\"" + id + "\""));
        assertEquals(400, early.statusCode());
        mayGoOn.countDown();
        Eventually.await(
                "it is completed",
                () -> client.get(id).path("status").asText().equals("completed"));
        assertEquals("Yes.", ResponsesClient.text(client.get(id)));
        assertEquals(client.get(id), ResponsesClient.ok(client.send("POST", id + "/cancel")));
    }

    @Test
    void aBackgroundResponseIsCancelled() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.tokens(0, tiny.ids("Yes."));
                    call.awaitCancelled();
                });
        String id = client.create("\"background\":true").path("id").asText();
        FakeScheduler.Call call = tiny.scheduler.nextCall();
        Eventually.await(
                "it is in progress",
                () -> client.get(id).path("status").asText().equals("in_progress"));
        JsonNode cancelled = ResponsesClient.ok(client.send("POST", id + "/cancel"));
        assertEquals("cancelled", cancelled.path("status").asText());
        assertEquals("Yes.", ResponsesClient.text(cancelled));
        assertTrue(call.awaitCancelled());
        assertEquals(cancelled, client.get(id));
        assertEquals(cancelled, ResponsesClient.ok(client.send("POST", id + "/cancel")));
    }

    @Test
    void aBackgroundStreamGoesOnWhenItsClientIsGone() throws Exception {
        var mayGoOn = new CountDownLatch(1);
        tiny.scheduler.behave(
                call -> {
                    call.tokens(0, tiny.ids("Yes."));
                    if (mayGoOn.await(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS)) {
                        call.finish(0, true, TestCoordinator.END);
                    }
                });
        String id;
        try (var raw = new RawConnection(tiny.coordinator.port())) {
            String body = ResponsesClient.body("\"background\":true,\"stream\":true");
            raw.send(
                    "POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                            + body.length()
                            + "\r\n\r\n"
                            + body);
            String begin = raw.readUntil("response.output_text.delta");
            assertTrue(begin.contains("event: response.queued"), begin);
            id = begin.replaceAll("(?s).*?\"id\":\"(resp_[0-9a-f]+)\".*", "$1");
        }
        mayGoOn.countDown();
        Eventually.await(
                "it is completed",
                () -> client.get(id).path("status").asText().equals("completed"));
    }

    @Test
    void aStreamThatItsClientLeftIsCancelled() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.tokens(0, tiny.ids("Yes."));
                    call.awaitCancelled();
                });
        String id;
        try (var raw = new RawConnection(tiny.coordinator.port())) {
            String body = ResponsesClient.body("\"stream\":true");
            raw.send(
                    "POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                            + body.length()
                            + "\r\n\r\n"
                            + body);
            id =
                    raw.readUntil("response.output_text.delta")
                            .replaceAll("(?s).*?\"id\":\"(resp_[0-9a-f]+)\".*", "$1");
        }
        assertTrue(tiny.scheduler.nextCall().awaitCancelled());
        Eventually.await(
                "it is cancelled",
                () -> client.get(id).path("status").asText().equals("cancelled"));
    }

    @Test
    void aResponseWithoutBackgroundCannotBeCancelled() throws Exception {
        tiny.generate("Yes.");
        String id = client.create("").path("id").asText();
        assertEquals(400, client.send("POST", id + "/cancel").statusCode());
        assertEquals(404, client.send("POST", "resp_" + "0".repeat(32) + "/cancel").statusCode());
    }

    @Test
    void aFailureWithinAStreamIsAnEventAndIsStored() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.accept();
                    if (call.request().getCommittedCount() == 0) {
                        call.tokens(0, tiny.ids("Yes."));
                    }
                    call.fail(Status.UNAVAILABLE);
                });
        List<JsonNode> events =
                ResponsesClient.events(
                        tiny.post(ResponsesClient.PATH, ResponsesClient.body("\"stream\":true")));
        JsonNode last = events.getLast();
        assertEquals("response.failed", last.path("type").asText());
        assertEquals("failed", last.at("/response/status").asText());
        assertEquals("server_error", last.at("/response/error/code").asText());
        assertEquals(last.path("response"), client.get(last.at("/response/id").asText()));
        assertEquals(503, tiny.post(ResponsesClient.PATH, ResponsesClient.body("")).statusCode());
    }
}
