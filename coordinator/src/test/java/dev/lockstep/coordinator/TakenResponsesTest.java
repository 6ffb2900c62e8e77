// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.Eventually;
import io.grpc.Status;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests of responses whose clients ask another coordinator than the one that began them.
final class TakenResponsesTest {
    private static final String PATH = ResponsesClient.PATH;
    private static final String TOOLS =
            """
            ,"tools":[{"type":"function","name":"weather",
            "parameters":{"type":"object","properties":{"city":{"type":"string"}}}}]""";
    private static final String CALL =
            "<think>\nHm\n</think>\n\nA.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\":\"Oslo\"}}\n</tool_call>";

    private static TestCoordinator first;
    private static TestCoordinator second;
    private static ResponsesClient atFirst;
    private static ResponsesClient atSecond;

    @BeforeAll
    static void start() throws Exception {
        first = CallTemplates.MARKED.start();
        second = first.another();
        atFirst = new ResponsesClient(first);
        atSecond = new ResponsesClient(second);
    }

    @AfterAll
    static void stop() {
        second.close();
        first.close();
    }

    @BeforeEach
    void nobodyReads() {
        first.scheduler.read(false);
    }

    private static void generate(String text, boolean atOnce) {
        if (!atOnce) {
            first.generate(text);
            return;
        }
        first.scheduler.behave(
                call -> {
                    call.tokens(0, first.ids(text));
                    call.tokens(0, TestCoordinator.END);
                    call.finish(0, true, TestCoordinator.END);
                });
    }

    private static List<JsonNode> created(String more) throws Exception {
        return ResponsesClient.events(
                first.post(PATH, ResponsesClient.body("\"stream\":true" + more)));
    }

    private static String id(List<JsonNode> events) {
        return events.getFirst().at("/response/id").asText();
    }

    private static List<JsonNode> after(String id, int number) throws Exception {
        return ResponsesClient.events(
                second.get(PATH + "/" + id + "?stream=true&starting_after=" + number), number + 1);
    }

    /// Returns the events without the time at which a coordinator had the last of them.
    private static List<JsonNode> timeless(List<JsonNode> events) {
        List<JsonNode> all = new ArrayList<>();
        for (JsonNode event : events) {
            JsonNode copy = event.deepCopy();
            if (copy.path("response") instanceof ObjectNode response) {
                response.remove("completed_at");
            }
            all.add(copy);
        }
        return all;
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                ",\"background\":true",
                ",\"include\":[\"message.output_text.logprobs\"],\"top_logprobs\":2",
                ",\"include\":[\"reasoning.encrypted_content\"],\"instructions\":\"Be kind.\""
                        + TOOLS,
            })
    void aClientMissesNothingAfterAnyEvent(String more) throws Exception {
        boolean atOnce = false;
        generate(CALL, atOnce);
        int count = created(more).size();
        for (int last = 0; last < count; last += 1 + last / 4) {
            // How many tokens arrive at once differs between coordinators.
            generate(CALL, atOnce);
            List<JsonNode> events = created(more);
            assertEquals(count, events.size());
            atOnce = !atOnce;
            generate(CALL, atOnce);
            List<JsonNode> rest = after(id(events), last);
            assertEquals(timeless(events.subList(last + 1, count)), timeless(rest));
        }
    }

    @Test
    void aResponseThatWasTakenOverIsStored() throws Exception {
        generate("Hello there.", false);
        List<JsonNode> events = created("");
        String id = id(events);
        assertEquals(timeless(events.subList(1, events.size())), timeless(after(id, 0)));
        int attached = first.scheduler.attachedCalls();
        JsonNode stored = atSecond.get(id);
        assertEquals("Hello there.", ResponsesClient.text(stored));
        assertEquals(1, atSecond.get(id + "/input_items").path("data").size());
        ResponsesClient.ok(
                second.post(PATH, ResponsesClient.body("\"previous_response_id\":\"" + id + "\"")));
        assertEquals(attached, first.scheduler.attachedCalls());
    }

    /// A client that polls a response of `background` gets to its end, and can cancel it.
    @Test
    void aBackgroundResponseIsPolledAndCancelledElsewhere() throws Exception {
        generate("Hello there.", false);
        String whole = atFirst.create("\"background\":true").path("id").asText();
        Eventually.await(
                "it is completed",
                () -> atSecond.get(whole).path("status").asText().equals("completed"));
        assertEquals("Hello there.", ResponsesClient.text(atSecond.get(whole)));
        assertEquals(1, atSecond.get(whole + "/input_items").path("data").size());
        first.scheduler.behave(
                call -> {
                    call.tokens(0, first.ids("Yes."));
                    call.awaitCancelled();
                });
        String endless = atFirst.create("\"background\":true").path("id").asText();
        assertEquals(
                "cancelled",
                ResponsesClient.ok(atSecond.send("POST", endless + "/cancel"))
                        .path("status")
                        .asText());
    }

    /// The items of the response before are with the first coordinator only.
    @Test
    void aResponseThatContinuesAnotherGoesOnWithItsItems() throws Exception {
        generate("Hello there.", false);
        List<JsonNode> one = created(",\"input\":\"Say it.\"");
        String said = one.getLast().at("/response/output/0/id").asText();
        for (String more :
                List.of(
                        ",\"input\":\"Again.\",\"previous_response_id\":\"" + id(one) + "\"",
                        ",\"input\":[{\"role\":\"user\",\"content\":\"What?\"},{\"type\":\"item_reference\",\"id\":\""
                                + said
                                + "\"},{\"role\":\"user\",\"content\":\"So.\"}]")) {
            first.generate("Yes.");
            List<JsonNode> two = created(more);
            String prompt = first.nextPrompt();
            first.scheduler.keepPartially(true);
            try {
                assertEquals(timeless(two.subList(1, two.size())), timeless(after(id(two), 0)));
            } finally {
                first.scheduler.keepPartially(false);
            }
            assertEquals(prompt, first.nextPrompt());
            assertEquals(
                    atFirst.get(id(two) + "/input_items"), atSecond.get(id(two) + "/input_items"));
        }
        first.scheduler.forget();
        HttpResponse<String> third =
                second.post(
                        PATH, ResponsesClient.body("\"previous_response_id\":\"" + id(one) + "\""));
        assertEquals(400, third.statusCode());
        assertTrue(third.body().contains("previous_response_not_found"), third.body());
    }

    private final CountDownLatch taken = new CountDownLatch(1);

    @Test
    void aStreamTakesAResponseFromACoordinatorThatReadsItAndAPollDoesNot() throws Exception {
        first.scheduler.read(true);
        first.scheduler.behave(
                call -> {
                    call.accept();
                    if (call.request().getClient().getReader() > 0) {
                        call.oneByOne(0, first.ids("Hello there."));
                        call.finish(0, true, TestCoordinator.END);
                        return;
                    }
                    call.oneByOne(0, first.ids("Hello"));
                    if (taken.await(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS)) {
                        call.fail(Status.ALREADY_EXISTS);
                    }
                });
        try (var raw = new RawConnection(first.coordinator.port())) {
            raw.post(PATH, "1.1", ResponsesClient.body("\"stream\":true"));
            String begin = raw.readUntil("response.output_text.delta");
            String id = begin.replaceAll("(?s).*?\"id\":\"(resp_[0-9a-f]+)\".*", "$1");
            HttpResponse<String> poll = second.get(PATH + "/" + id);
            assertEquals(409, poll.statusCode(), poll.body());
            assertTrue(poll.body().contains("response_elsewhere"), poll.body());
            assertEquals("Hello there.", text(after(id, 3)));
            taken.countDown();
            List<JsonNode> events =
                    raw.readUntil("\r\n0\r\n\r\n")
                            .lines()
                            .filter(line -> line.startsWith("data: "))
                            .map(line -> TestCoordinator.json(line.substring("data: ".length())))
                            .toList();
            assertEquals("displaced", events.getLast().path("code").asText());
            assertEquals(
                    events.get(events.size() - 2).path("sequence_number"),
                    events.getLast().path("sequence_number"));
            first.scheduler.read(false);
            Eventually.await(
                    "the first coordinator takes it back",
                    () -> ResponsesClient.text(atFirst.get(id)).equals("Hello there."));
        }
    }

    @Test
    void whatIsRefusedOrAskedForItsHeadTakesNothingFromAStream() throws Exception {
        first.scheduler.read(true);
        first.scheduler.behave(
                call -> {
                    call.accept();
                    call.oneByOne(0, first.ids("Hello"));
                    if (taken.await(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS)) {
                        call.oneByOne(0, first.ids(" there."));
                        call.finish(0, true, TestCoordinator.END);
                    }
                });
        try (var raw = new RawConnection(first.coordinator.port())) {
            raw.post(PATH, "1.1", ResponsesClient.body("\"stream\":true"));
            String begin = raw.readUntil("response.output_text.delta");
            String id = begin.replaceAll("(?s).*?\"id\":\"(resp_[0-9a-f]+)\".*", "$1");
            int attached = first.scheduler.attachedCalls();
            HttpResponse<String> cancel = atSecond.send("POST", id + "/cancel");
            assertEquals(400, cancel.statusCode(), cancel.body());
            assertTrue(cancel.body().contains("without background"), cancel.body());
            for (String query : List.of("", "?stream=true&starting_after=3")) {
                assertEquals(409, atSecond.send("HEAD", id + query).statusCode());
            }
            assertEquals(attached, first.scheduler.attachedCalls());
            taken.countDown();
            String end = raw.readUntil("\r\n0\r\n\r\n");
            assertTrue(end.contains("event: response.completed"), end);
        }
    }

    private static String text(List<JsonNode> events) {
        var text = new StringBuilder();
        for (JsonNode event : events) {
            if (event.path("type").asText().equals("response.output_text.delta")) {
                text.append(event.path("delta").asText());
            }
        }
        return text.toString();
    }

    @Test
    void whatIsDeletedOrCancelledIsGoneEverywhere() throws Exception {
        generate("Hello there.", false);
        String deleted = id(created(""));
        assertTrue(ResponsesClient.ok(atFirst.send("DELETE", deleted)).path("deleted").asBoolean());
        assertEquals(404, second.get(PATH + "/" + deleted).statusCode());
        String elsewhere = id(created(""));
        ResponsesClient.ok(atSecond.send("DELETE", elsewhere));
        assertEquals(404, second.get(PATH + "/" + elsewhere).statusCode());
        assertEquals(404, atSecond.send("DELETE", elsewhere).statusCode());
        first.scheduler.behave(
                call -> {
                    call.tokens(0, first.ids("Yes."));
                    call.awaitCancelled();
                });
        String cancelled = atFirst.create("\"background\":true").path("id").asText();
        ResponsesClient.ok(atFirst.send("POST", cancelled + "/cancel"));
        assertEquals(404, second.get(PATH + "/" + cancelled).statusCode());
    }

    @Test
    void whatIsNotStoredOrOfAnotherOwnerIsNotFound() throws Exception {
        generate("Hello there.", false);
        String unstored = id(created(",\"store\":false"));
        assertEquals(404, second.get(PATH + "/" + unstored).statusCode());
        String mine = id(created(""));
        assertEquals(404, atSecond.send("GET", mine, RequestContext.TENANT, "other").statusCode());
        HttpResponse<String> events = second.get("/v1/requests/" + mine + "/events");
        assertEquals(400, events.statusCode());
        assertTrue(events.body().contains("starting_after"), events.body());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "\"store\":false", "\"stream\":true", "\"background\":true"})
    void aRepeatedRequestGetsTheResponseOfTheFirst(String more) throws Exception {
        generate("Hello there.", false);
        String body = ResponsesClient.body(more);
        String key = "of " + more;
        HttpResponse<String> one = first.send(keyed(first, key, body));
        int attached = first.scheduler.attachedCalls();
        HttpResponse<String> two = second.send(keyed(second, key, body));
        assertEquals(attached + 1, first.scheduler.attachedCalls());
        String time = "\"completed_at\":[0-9]+";
        assertEquals(one.body().replaceAll(time, ""), two.body().replaceAll(time, ""));
        assertEquals(200, one.statusCode());
        HttpResponse<String> other =
                second.send(keyed(second, key, ResponsesClient.body("\"max_output_tokens\":3")));
        assertEquals(422, other.statusCode());
        assertNotEquals(one.body(), other.body());
    }

    private static HttpRequest keyed(TestCoordinator server, String key, String body) {
        return HttpRequest.newBuilder(server.request(PATH, body), (_, _) -> true)
                .header("Idempotency-Key", key)
                .build();
    }

    @Test
    void clientsThatComeTogetherShareAResponse() throws Exception {
        generate("Hello there.", false);
        String id = id(created(""));
        int attached = first.scheduler.attachedCalls();
        HttpRequest request =
                HttpRequest.newBuilder(second.uri(PATH + "/" + id + "?stream=true")).build();
        var all = new ArrayList<CompletableFuture<HttpResponse<String>>>();
        for (int i = 0; i < 8; i++) {
            all.add(second.client.sendAsync(request, HttpResponse.BodyHandlers.ofString()));
        }
        for (CompletableFuture<HttpResponse<String>> each : all) {
            assertFalse(each.join().body().contains("event: error"));
            assertTrue(each.join().body().contains("event: response.completed"));
        }
        assertEquals(attached + 1, first.scheduler.attachedCalls());
    }
}
