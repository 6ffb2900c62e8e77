// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.cluster.Eventually;
import io.grpc.Status;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests of `/v1/responses` with answers of text; all responses and events are compared with
/// OpenAI's description.
final class ResponsesTest {
    private static final String PATH = "/v1/responses";
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static void generate(String text) {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids(text));
                    call.oneByOne(0, TestCoordinator.END);
                    call.finish(0, true, TestCoordinator.END);
                });
    }

    private static String body(String more) {
        return "{\"model\":\"tiny\""
                + (more.contains("\"input\"") ? "" : ",\"input\":\"Hello\"")
                + (more.isEmpty() ? "" : ",")
                + more
                + "}";
    }

    private static JsonNode create(String more) throws Exception {
        return ok(tiny.post(PATH, body(more)));
    }

    private static JsonNode get(String path) throws Exception {
        return ok(tiny.get(PATH + "/" + path));
    }

    private static JsonNode ok(HttpResponse<String> response) {
        assertEquals(200, response.statusCode(), response.body());
        return TestCoordinator.json(response.body());
    }

    private static HttpResponse<String> send(String method, String path, String... headers)
            throws Exception {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(tiny.uri(PATH + "/" + path))
                        .method(method, HttpRequest.BodyPublishers.noBody());
        if (headers.length > 0) {
            request.headers(headers);
        }
        return tiny.send(request.build());
    }

    /// Returns the events of a stream; they are numbered from 0, and their names are their types.
    private static List<JsonNode> events(HttpResponse<String> response) {
        assertEquals(200, response.statusCode(), response.body());
        List<JsonNode> events = new ArrayList<>();
        for (String part : response.body().split("\n\n", 0)) {
            if (part.startsWith(":")) {
                continue;
            }
            List<String> lines = part.lines().toList();
            assertEquals(2, lines.size(), part);
            JsonNode event = TestCoordinator.json(lines.getLast().substring("data: ".length()));
            assertEquals("event: " + event.path("type").asText(), lines.getFirst());
            assertEquals(events.size(), event.path("sequence_number").asInt(-1));

            events.add(event);
        }
        return events;
    }

    private static List<String> types(List<JsonNode> events) {
        List<String> types = new ArrayList<>();
        for (JsonNode event : events) {
            String type = event.path("type").asText();
            if (types.isEmpty() || !types.getLast().equals(type)) {
                types.add(type);
            }
        }
        return types;
    }

    private static String text(JsonNode response) {
        return response.at("/output/0/content/0/text").asText();
    }

    private static String rendered() throws Exception {
        return tiny.model.decode(
                tiny.scheduler.nextCall().request().getPromptIdsList().stream()
                        .mapToInt(Integer::intValue)
                        .toArray(),
                false);
    }

    @Test
    void aResponseHasTheFormThatClientsExpect() throws Exception {
        generate("Hello there.");
        JsonNode response =
                create(
                        """
                        "instructions":"Be kind.","temperature":0.5,"top_p":0.25,"max_output_tokens":40,\
                        "metadata":{"a":"b"},"user":"someone","reasoning":{"effort":"none","summary":"auto"},\
                        "text":{"format":{"type":"text"},"verbosity":"medium"},"truncation":"disabled",\
                        "service_tier":"flex","safety_identifier":"x","max_tool_calls":3,"unknown":1
                        """);
        assertTrue(response.path("id").asText().matches("resp_[0-9a-f]{32}"));
        assertEquals("completed", response.path("status").asText());
        assertEquals("tiny", response.path("model").asText());
        assertEquals("Be kind.", response.path("instructions").asText());
        assertEquals(0.5, response.path("temperature").asDouble());
        assertEquals(0.25, response.path("top_p").asDouble());
        assertEquals(40, response.path("max_output_tokens").asInt());
        assertEquals("b", response.at("/metadata/a").asText());
        assertEquals("someone", response.path("user").asText());
        assertEquals("auto", response.path("tool_choice").asText());
        assertTrue(response.path("store").asBoolean());
        assertEquals(1, response.path("output").size());
        assertEquals("message", response.at("/output/0/type").asText());
        assertEquals("completed", response.at("/output/0/status").asText());
        assertEquals("Hello there.", text(response));
        int count = tiny.ids("Hello there.").length + 1;
        assertEquals(count, response.at("/usage/output_tokens").asInt());
        assertEquals(3, response.at("/usage/input_tokens_details/cached_tokens").asInt());
        FakeScheduler.Call call = tiny.scheduler.nextCall();
        assertEquals(response.path("id").asText(), call.request().getRequestId());
        assertEquals(40, call.request().getMaxTokens());
        assertEquals(0.5f, call.sampling().getTemperature());
    }

    @Test
    void anAnswerThatEndsByLengthIsIncomplete() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("Hel"));
                    call.finishByLength(0);
                });
        JsonNode response = create("");
        assertEquals("incomplete", response.path("status").asText());
        assertEquals("max_output_tokens", response.at("/incomplete_details/reason").asText());
        assertEquals("incomplete", response.at("/output/0/status").asText());
        List<JsonNode> events = events(tiny.post(PATH, body("\"stream\":true")));
        assertEquals("response.incomplete", events.getLast().path("type").asText());
    }

    @Test
    void theEventsOfAStreamAreInOrderAndMakeTheSameResponse() throws Exception {
        generate("Hello there.");
        List<JsonNode> events = events(tiny.post(PATH, body("\"stream\":true")));
        assertEquals(
                List.of(
                        "response.created",
                        "response.in_progress",
                        "response.output_item.added",
                        "response.content_part.added",
                        "response.output_text.delta",
                        "response.output_text.done",
                        "response.content_part.done",
                        "response.output_item.done",
                        "response.completed"),
                types(events));
        var text = new StringBuilder();
        events.forEach(event -> text.append(event.path("delta").asText()));
        assertEquals("Hello there.", text.toString());
        JsonNode response = events.getLast().path("response");
        assertEquals("Hello there.", text(response));
        assertEquals(response, get(response.path("id").asText()));
    }

    @Test
    void logProbabilitiesAreIncluded() throws Exception {
        generate("Yes.");
        String more = "\"include\":[\"message.output_text.logprobs\"],\"top_logprobs\":2";
        JsonNode logprobs = create(more).at("/output/0/content/0/logprobs");
        // With the end token, as in a chat.
        assertEquals(tiny.ids("Yes.").length + 1, logprobs.size());
        assertEquals(2, logprobs.at("/0/top_logprobs").size());
        JsonNode delta = events(tiny.post(PATH, body("\"stream\":true," + more))).get(4);
        assertEquals("response.output_text.delta", delta.path("type").asText());
        assertEquals(1, delta.path("logprobs").size());
    }

    @Test
    void itemsBecomeMessages() throws Exception {
        generate("Yes.");
        create(
                """
                "instructions":"Be kind.","input":[{"role":"user","content":"One"},
                {"type":"message","role":"assistant","id":"msg_1","status":"completed",
                 "content":[{"type":"output_text","text":"Two","annotations":[]}]},
                {"role":"user","content":[{"type":"input_text","text":"Thr"},{"type":"input_text","text":"ee"}]}]
                """);
        String asItems = rendered();
        tiny.post(
                "/v1/chat/completions",
                """
                {"model":"tiny","messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"One"},
                {"role":"assistant","content":"Two"},{"role":"user","content":"Three"}]}
                """);
        assertEquals(rendered(), asItems);
    }

    @Test
    void aResponseContinuesAnEarlierOneWithoutItsInstructions() throws Exception {
        generate("Yes.");
        String first = create("\"instructions\":\"Be kind.\"").path("id").asText();
        rendered();
        String second =
                create("\"input\":\"More\",\"previous_response_id\":\"" + first + "\"")
                        .path("id")
                        .asText();
        String prompt = rendered();
        assertFalse(prompt.contains("kind"), prompt);
        assertTrue(prompt.matches("(?s).*Hello.*Yes\\..*More.*"), prompt);

        // What is gone is still part of what continued it.
        assertEquals(200, send("DELETE", first).statusCode());
        create("\"input\":\"Again\",\"previous_response_id\":\"" + second + "\"");
        assertTrue(rendered().matches("(?s).*Hello.*Yes\\..*More.*Yes\\..*Again.*"));
        HttpResponse<String> gone =
                tiny.post(PATH, body("\"previous_response_id\":\"" + first + "\""));
        assertEquals(400, gone.statusCode());
        assertEquals(
                "previous_response_not_found",
                TestCoordinator.json(gone.body()).at("/error/code").asText());
    }

    @Test
    void theItemsOfTheInputAreListedInPages() throws Exception {
        generate("Yes.");
        String id = create("").path("id").asText();
        String next =
                create("\"input\":\"More\",\"previous_response_id\":\"" + id + "\"")
                        .path("id")
                        .asText();
        JsonNode all = get(next + "/input_items?order=asc");
        assertEquals(3, all.path("data").size());
        assertEquals("Hello", all.at("/data/0/content/0/text").asText());
        assertEquals("Yes.", all.at("/data/1/content/0/text").asText());
        assertEquals("assistant", all.at("/data/1/role").asText());
        assertFalse(all.path("has_more").asBoolean());
        JsonNode page = get(next + "/input_items?limit=2");
        assertEquals("More", page.at("/data/0/content/0/text").asText());
        assertTrue(page.path("has_more").asBoolean());
        JsonNode rest = get(next + "/input_items?after=" + page.path("last_id").asText());
        assertEquals(all.at("/data/0"), rest.at("/data/0"));
        assertEquals(1, rest.path("data").size());
        assertEquals(400, tiny.get(PATH + "/" + next + "/input_items?limit=0").statusCode());
        assertEquals(400, tiny.get(PATH + "/" + next + "/input_items?after=x").statusCode());
    }

    @Test
    void aDeletedResponseIsGone() throws Exception {
        generate("Yes.");
        String id = create("").path("id").asText();
        JsonNode deleted = TestCoordinator.json(send("DELETE", id).body());
        assertTrue(deleted.path("deleted").asBoolean());
        assertEquals(id, deleted.path("id").asText());
        assertEquals(404, tiny.get(PATH + "/" + id).statusCode());
        assertEquals(404, send("DELETE", id).statusCode());
        assertEquals(404, tiny.get(PATH + "/" + id + "/input_items").statusCode());
    }

    @Test
    void aResponseThatIsNotToBeStoredIsNotStored() throws Exception {
        generate("Yes.");
        JsonNode response = create("\"store\":false");
        assertFalse(response.path("store").asBoolean());
        assertEquals(404, tiny.get(PATH + "/" + response.path("id").asText()).statusCode());
    }

    @Test
    void onlyTheTenantAndTheKeyOfAResponseFindIt() throws Exception {
        generate("Yes.");
        HttpResponse<String> created =
                tiny.send(
                        HttpRequest.newBuilder(tiny.uri(PATH))
                                .headers("x-lockstep-tenant", "a", "Authorization", "Bearer one")
                                .POST(HttpRequest.BodyPublishers.ofString(body("")))
                                .build());
        String id = ok(created).path("id").asText();
        String[][] others = {
            {"x-lockstep-tenant", "a"},
            {"Authorization", "Bearer one"},
            {"x-lockstep-tenant", "b", "Authorization", "Bearer one"},
            {"x-lockstep-tenant", "a", "Authorization", "Bearer two"},
        };
        for (String[] other : others) {
            assertEquals(404, send("GET", id, other).statusCode());
            assertEquals(404, send("DELETE", id, other).statusCode());
            assertEquals(404, send("POST", id + "/cancel", other).statusCode());
            assertEquals(404, send("GET", id + "/input_items", other).statusCode());
        }
        String[] own = {"x-lockstep-tenant", "a", "Authorization", "Bearer one"};
        assertEquals(200, send("GET", id, own).statusCode());
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
        JsonNode queued = create("\"background\":true");
        assertEquals("queued", queued.path("status").asText());
        String id = queued.path("id").asText();
        Eventually.await(
                "it is in progress", () -> get(id).path("status").asText().equals("in_progress"));
        assertEquals(1, get(id + "/input_items").path("data").size());
        HttpResponse<String> early =
                tiny.post(PATH, body("\"previous_response_id\":\"" + id + "\""));
        assertEquals(400, early.statusCode());
        mayGoOn.countDown();
        Eventually.await(
                "it is completed", () -> get(id).path("status").asText().equals("completed"));
        assertEquals("Yes.", text(get(id)));
        assertEquals(get(id), ok(send("POST", id + "/cancel")));
    }

    @Test
    void aBackgroundResponseIsCancelled() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.tokens(0, tiny.ids("Yes."));
                    call.awaitCancelled();
                });
        String id = create("\"background\":true").path("id").asText();
        FakeScheduler.Call call = tiny.scheduler.nextCall();
        Eventually.await(
                "it is in progress", () -> get(id).path("status").asText().equals("in_progress"));
        JsonNode cancelled = ok(send("POST", id + "/cancel"));
        assertEquals("cancelled", cancelled.path("status").asText());
        assertEquals("Yes.", text(cancelled));
        assertTrue(call.awaitCancelled());
        assertEquals(cancelled, get(id));
        assertEquals(cancelled, ok(send("POST", id + "/cancel")));
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
            String body = body("\"background\":true,\"stream\":true");
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
                "it is completed", () -> get(id).path("status").asText().equals("completed"));
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
            String body = body("\"stream\":true");
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
                "it is cancelled", () -> get(id).path("status").asText().equals("cancelled"));
    }

    @Test
    void aResponseWithoutBackgroundCannotBeCancelled() throws Exception {
        generate("Yes.");
        String id = create("").path("id").asText();
        assertEquals(400, send("POST", id + "/cancel").statusCode());
        assertEquals(404, send("POST", "resp_" + "0".repeat(32) + "/cancel").statusCode());
    }

    @Test
    void aFailureWithinAStreamIsAnEventAndIsStored() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.tokens(0, tiny.ids("Yes."));
                    call.fail(Status.UNAVAILABLE);
                });
        List<JsonNode> events = events(tiny.post(PATH, body("\"stream\":true")));
        JsonNode last = events.getLast();
        assertEquals("response.failed", last.path("type").asText());
        assertEquals("failed", last.at("/response/status").asText());
        assertEquals("server_error", last.at("/response/error/code").asText());
        assertEquals(last.path("response"), get(last.at("/response/id").asText()));
        assertEquals(503, tiny.post(PATH, body("")).statusCode());
    }

    @Test
    void theOldestTurnsAreLeftOutWhereTheRequestAllowsIt() throws Exception {
        generate("Yes.");
        var input = new StringBuilder("\"input\":[");
        for (int i = 0; i < 40; i++) {
            input.append("{\"role\":\"user\",\"content\":\"turn ").append(i);
            input.append(" and some more text of it\"},");
        }
        input.append("{\"role\":\"user\",\"content\":\"the last\"}]");
        HttpResponse<String> refused = tiny.post(PATH, body(input.toString()));
        assertEquals(400, refused.statusCode(), refused.body());
        JsonNode error = TestCoordinator.json(refused.body()).path("error");
        assertEquals("context_length_exceeded", error.path("code").asText());
        assertEquals("input", error.path("param").asText());
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("Yes."));
                    call.finishByLength(0);
                });
        create(input + ",\"truncation\":\"auto\"");
        String prompt = rendered();
        assertTrue(prompt.contains("the last"), prompt);
        assertFalse(prompt.contains("turn 0 "), prompt);
        assertTrue(prompt.contains("turn 39"), prompt);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    "input":[{"type":"computer_call"}] | input[0].type
                    "input":[{"type":"item_reference","id":"x"}] | input[0].type
                    "input":[{"role":"user","content":[{"type":"input_image"}]}] | input[0].content[0].type
                    "input":[{"role":"tool","content":"x"}] | input[0].role
                    "input":[{"role":"user"}] | input[0].content
                    "input":[{"type":"function_call","name":"f","arguments":"{}"}] | input[0].call_id
                    "input":[] | input
                    "input":7 | input
                    "tools":[{"type":"web_search"}] | tools[0].type
                    "tools":[{"type":"function"}] | tools[0].name
                    "tool_choice":"any" | tool_choice
                    "tool_choice":{"type":"mcp"} | tool_choice.type
                    "text":{"format":{"type":"grammar"}} | text.format.type
                    "text":{"format":{"type":"json_schema","schema":{}}} | text.format.name
                    "reasoning":{"summary":"detailed"} | reasoning.summary
                    "include":["everything"] | include[0]
                    "truncation":"some" | truncation
                    "metadata":{"a":7} | metadata.a
                    "max_output_tokens":0 | max_output_tokens
                    "top_logprobs":21 | top_logprobs
                    "temperature":3 | temperature
                    "background":true,"store":false | background
                    "previous_response_id":"resp_x" | previous_response_id
                    "conversation":"c" | conversation
                    "n":2 | n
                    "max_tokens":7 | max_tokens
                    "seed":"x" | seed
                    """)
    void whatIsWrongOrNotServedIsNamed(String more, String param) throws Exception {
        HttpResponse<String> response = tiny.post(PATH, body(more));
        assertEquals(400, response.statusCode(), response.body());
        JsonNode error = TestCoordinator.json(response.body()).path("error");
        assertEquals(param, error.path("param").asText(), response.body());
        assertTrue(error.path("message").asText().contains(param), response.body());
    }

    @Test
    void theModelAndTheInputAreRequired() throws Exception {
        assertEquals(400, tiny.post(PATH, "{\"input\":\"x\"}").statusCode());
        assertEquals(400, tiny.post(PATH, "{\"model\":\"tiny\"}").statusCode());
        assertEquals(404, tiny.post(PATH, "{\"model\":\"m\",\"input\":\"x\"}").statusCode());
    }

    @ParameterizedTest
    @CsvSource({
        "PUT, x, 'GET, HEAD, DELETE, OPTIONS'",
        "GET, x/cancel, 'POST, OPTIONS'",
        "DELETE, x/input_items, 'GET, HEAD, OPTIONS'",
    })
    void otherMethodsAreRefused(String method, String path, String allowed) throws Exception {
        HttpResponse<String> response = send(method, path);
        assertEquals(405, response.statusCode());
        assertEquals(allowed, response.headers().firstValue("allow").orElse(""));
        assertEquals(204, send("OPTIONS", path).statusCode());
    }

    @ParameterizedTest
    @CsvSource({"x", "resp_00000000000000000000000000000000", "a/b", "x?stream=false"})
    void aResponseThatIsNotThereIsNotFound(String id) throws Exception {
        assertEquals(404, tiny.get(PATH + "/" + id).statusCode());
    }

    @Test
    void theDescriptionRefusesWhatItDoesNotAllow() throws Exception {
        Fixtures.require(OpenAiDescription.FIXTURE);
        generate("Yes.");
        JsonNode completed = events(tiny.post(PATH, body("\"stream\":true"))).getLast();
        ((ObjectNode) completed.path("response")).put("status", "done");
        assertThrows(AssertionError.class, () -> OpenAiDescription.checkEvent(PATH, completed));
        JsonNode event = events(tiny.post(PATH, body("\"stream\":true"))).get(2);
        ((ObjectNode) event.path("item")).remove("content");
        assertThrows(AssertionError.class, () -> OpenAiDescription.checkEvent(PATH, event));
    }

    @Test
    void aStoredResponseIsNotStreamed() throws Exception {
        assertEquals(400, tiny.get(PATH + "/x?stream=true").statusCode());
    }
}
