// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Eventually;
import io.grpc.Status;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests of the events of a response for clients that come after it was created.
final class ResponseReplayTest {
    private static final String TOOLS =
            """
            "tools":[{"type":"function","name":"weather",
            "parameters":{"type":"object","properties":{"city":{"type":"string"}}}}]""";
    private static final String CALLS =
            "<think>\nHm\n</think>\n\nA.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\":\"Oslo\"}}\n</tool_call>"
                    + "\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {}}\n</tool_call>";
    private static TestCoordinator tiny;
    private static ResponsesClient client;

    @BeforeAll
    static void start() throws Exception {
        tiny = CallTemplates.MARKED.start();
        client = new ResponsesClient(tiny);
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static List<JsonNode> replayed(String id) throws Exception {
        return ResponsesClient.events(
                tiny.get(ResponsesClient.PATH + "/" + id + "?stream=true"), 0);
    }

    private static String id(List<JsonNode> events) {
        return events.getFirst().at("/response/id").asText();
    }

    private static List<JsonNode> created(String more) throws Exception {
        return ResponsesClient.events(
                tiny.post(ResponsesClient.PATH, ResponsesClient.body("\"stream\":true" + more)));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                ",\"include\":[\"message.output_text.logprobs\"],\"top_logprobs\":2",
                ",\"include\":[\"reasoning.encrypted_content\"],\"instructions\":\"Be kind.\"",
                ",\"background\":true",
            })
    void theEventsOfAStoredResponseAreThoseOfItsStream(String more) throws Exception {
        assertReplayed(CALLS, "," + TOOLS + more);
    }

    @ParameterizedTest
    @ValueSource(strings = {"Hello there.", "<think>\nHm", ""})
    void soAreThoseOfOtherAnswers(String answer) throws Exception {
        assertReplayed(answer, "");
    }

    private static void assertReplayed(String answer, String more) throws Exception {
        tiny.generate(answer);
        List<JsonNode> events = created(more);
        assertEquals("response.completed", events.getLast().path("type").asText());
        assertEquals(events, replayed(id(events)));
    }

    @ParameterizedTest
    @CsvSource({"A., true", "A., false", "'', true", "'', false"})
    void soAreThoseOfOneThatIsIncompleteOrFailed(String answer, boolean fails) throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("<think>\nHm\n</think>\n\n" + answer));
                    if (fails) {
                        call.fail(Status.INTERNAL);
                    } else {
                        call.finishByLength(0);
                    }
                });
        for (String more : List.of("", ",\"background\":true")) {
            List<JsonNode> events = created(more);
            assertEquals(
                    fails ? "response.failed" : "response.incomplete",
                    events.getLast().path("type").asText());
            assertEquals(events, replayed(id(events)));
        }
    }

    @Test
    void aFailureBeforeTheBeginningIsReplayed() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.accept();
                    call.fail(Status.INTERNAL);
                });
        List<JsonNode> events = created(",\"background\":true");
        assertEquals(
                List.of("response.created", "response.queued", "response.failed"),
                ResponsesClient.types(events));
        assertEquals(events, replayed(id(events)));
    }

    @Test
    void aStreamStartsAfterTheEventThatAClientHas() throws Exception {
        tiny.generate("Hello there.");
        List<JsonNode> events = created("");
        String path = ResponsesClient.PATH + "/" + id(events) + "?stream=true&starting_after=";
        for (int after = 0; after < events.size(); after++) {
            assertEquals(
                    events.subList(after + 1, events.size()),
                    ResponsesClient.events(tiny.get(path + after), after + 1));
        }
        HttpResponse<String> none = tiny.get(path + 999);
        assertEquals("", none.body());
        assertEquals(200, none.statusCode());
    }

    @Test
    void aRunningResponseIsFollowedToItsEnd() throws Exception {
        var mayGoOn = new CountDownLatch(1);
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("Hello"));
                    if (mayGoOn.await(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS)) {
                        call.oneByOne(0, tiny.ids(" there."));
                        call.finish(0, true, TestCoordinator.END);
                    }
                });
        String id = client.create("\"background\":true").path("id").asText();
        CompletableFuture<HttpResponse<String>> other =
                tiny.client.sendAsync(
                        HttpRequest.newBuilder(
                                        tiny.uri(
                                                ResponsesClient.PATH
                                                        + "/"
                                                        + id
                                                        + "?stream=true&starting_after=1"))
                                .build(),
                        HttpResponse.BodyHandlers.ofString());
        try (var raw = new RawConnection(tiny.coordinator.port())) {
            raw.send(
                    "GET /v1/responses/"
                            + id
                            + "?stream=true HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            String begin = raw.readUntil("response.output_text.delta");
            assertTrue(begin.contains("event: response.queued"), begin);
            mayGoOn.countDown();
            raw.readUntil("event: response.completed");
        }
        List<JsonNode> all = replayed(id);
        assertEquals(
                List.of("response.created", "response.queued", "response.in_progress"),
                ResponsesClient.types(all).subList(0, 3));
        assertEquals(
                all.subList(2, all.size()),
                ResponsesClient.events(
                        other.get(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS), 2));
    }

    @Test
    void aFollowerSeesThatAResponseWasCancelled() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.tokens(0, tiny.ids("Yes."));
                    call.awaitCancelled();
                });
        String id = client.create("\"background\":true").path("id").asText();
        try (var raw = new RawConnection(tiny.coordinator.port())) {
            raw.send(
                    "GET /v1/responses/" + id + "?stream=true HTTP/1.1\r\nHost: localhost\r\n\r\n");
            raw.readUntil("response.output_text.delta");
            JsonNode cancelled = ResponsesClient.ok(client.send("POST", id + "/cancel"));
            raw.readUntil("event: response.failed");
            List<JsonNode> events = replayed(id);
            assertEquals(cancelled, events.getLast().path("response"));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "?stream=yes | stream",
                "?starting_after=1 | starting_after",
                "?stream=true&starting_after=-1 | starting_after",
                "?stream=true&starting_after=x | starting_after",
                "?include=everything | include",
                "?include[]=everything | include",
                "/input_items?include=everything | include",
                "/input_items?order=up | order",
                "/input_items?limit=101 | limit",
            })
    void whatIsWrongIsNamed(String query, String param) throws Exception {
        tiny.generate("Yes.");
        String id = client.create("").path("id").asText();
        HttpResponse<String> response =
                tiny.get(
                        ResponsesClient.PATH
                                + "/"
                                + id
                                + query.replace("[", "%5B").replace("]", "%5D"));
        assertEquals(400, response.statusCode(), response.body());
        assertEquals(param, TestCoordinator.json(response.body()).at("/error/param").asText());
    }

    @Test
    void aResponseThatIsNotThereIsNotStreamed() throws Exception {
        assertEquals(
                404,
                tiny.get(ResponsesClient.PATH + "/resp_" + "0".repeat(32) + "?stream=true")
                        .statusCode());
    }

    @Test
    void whatWasIncludedIsRetrieved() throws Exception {
        tiny.generate("Yes.");
        JsonNode created = client.create("\"include\":[\"message.output_text.logprobs\"]");
        assertTrue(created.at("/output/0/content/0/logprobs").size() > 1);
        assertEquals(
                created,
                client.get(created.path("id").asText() + "?include=message.output_text.logprobs"));
    }
}
