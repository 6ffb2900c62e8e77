// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.grpc.Status;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests of Anthropic's `/v1/messages`.
final class MessagesTest {
    private static final String PATH = "/v1/messages";
    private static final String HELLO = "'messages':[{'role':'user','content':'Hello'}]";
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static HttpResponse<String> post(String path, String fields) throws Exception {
        return tiny.post(path, ("{'model':'tiny'," + fields + "}").replace('\'', '"'));
    }

    private static JsonNode whole(String fields) throws Exception {
        HttpResponse<String> response = post(PATH, "'max_tokens':50," + HELLO + fields);
        assertEquals(200, response.statusCode(), response.body());
        return TestCoordinator.json(response.body());
    }

    private static List<JsonNode> stream(String fields) throws Exception {
        HttpResponse<String> response =
                post(PATH, "'max_tokens':50,'stream':true," + HELLO + fields);
        assertEquals(200, response.statusCode(), response.body());
        assertEquals(
                "text/event-stream; charset=utf-8",
                response.headers().firstValue("content-type").orElse(""));
        return events(response.body());
    }

    /// Checks that each event has the name of its type.
    private static List<JsonNode> events(String body) {
        List<JsonNode> events = new ArrayList<>();
        for (String event : body.split("\n\n", 0)) {
            String[] lines = event.split("\n", 0);
            assertEquals(2, lines.length, event);
            JsonNode data = TestCoordinator.json(lines[1].substring("data: ".length()));
            assertEquals("event: " + data.get("type").asText(), lines[0]);
            events.add(data);
        }
        return events;
    }

    private static List<String> types(List<JsonNode> events) {
        return events.stream().map(event -> event.get("type").asText()).toList();
    }

    private static void generate(String text, boolean stops) {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids(text));
                    if (stops) {
                        call.tokens(0, TestCoordinator.END);
                        call.finish(0, true, TestCoordinator.END);
                    } else {
                        call.finishByLength(0);
                    }
                });
    }

    /// Joins the events as a client does.
    private static ObjectNode joined(List<JsonNode> events) {
        ObjectNode message = events.getFirst().get("message").deepCopy();
        var content = (ArrayNode) message.get("content");
        for (JsonNode event : events) {
            int index = event.path("index").asInt();
            switch (event.get("type").asText()) {
                case "content_block_start" -> content.add(event.get("content_block").deepCopy());
                case "content_block_delta" -> {
                    var block = (ObjectNode) content.get(index);
                    block.put(
                            "text", block.get("text").asText() + event.at("/delta/text").asText());
                }
                case "message_delta" -> {
                    message.setAll((ObjectNode) event.get("delta"));
                    message.set("usage", event.get("usage"));
                }
                default -> {}
            }
        }
        return message;
    }

    @Test
    void aMessageHasTheFormThatClientsExpect() throws Exception {
        generate("Hello there.", true);
        JsonNode message = whole("");
        assertTrue(message.get("id").asText().startsWith("msg_"));
        assertEquals("message", message.get("type").asText());
        assertEquals("assistant", message.get("role").asText());
        assertEquals("tiny", message.get("model").asText());
        assertEquals(
                "[{\"type\":\"text\",\"text\":\"Hello there.\"}]",
                message.get("content").toString());
        assertEquals("end_turn", message.get("stop_reason").asText());
        assertTrue(message.get("stop_sequence").isNull());
        FakeScheduler.Call call = tiny.scheduler.nextCall();
        assertEquals(50, call.request().getMaxTokens());
        JsonNode usage = message.get("usage");
        assertEquals(call.request().getPromptIdsCount() - 3, usage.get("input_tokens").asInt());
        assertEquals(3, usage.get("cache_read_input_tokens").asInt());
        assertEquals(0, usage.get("cache_creation_input_tokens").asInt());
        assertEquals(tiny.ids("Hello there.").length + 1, usage.get("output_tokens").asInt());
    }

    @Test
    void theSystemTextBeginsThePromptOfAChat() throws Exception {
        generate("Yes.", true);
        whole(",'system':'Be kind.'");
        String prompt =
                "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n";
        assertEquals(
                Arrays.stream(tiny.ids(prompt)).boxed().toList(),
                tiny.scheduler.nextCall().request().getPromptIdsList());
        HttpResponse<String> counted = post(PATH + "/count_tokens", "'system':'Be kind.'," + HELLO);
        assertEquals("{\"input_tokens\":" + tiny.ids(prompt).length + "}", counted.body());
    }

    @Test
    void theEventsComeInOrder() throws Exception {
        generate("Hello there.", true);
        List<JsonNode> events = stream("");
        List<String> types = types(events);
        int count = types.size();
        assertEquals(List.of("message_start", "content_block_start", "ping"), types.subList(0, 3));
        assertEquals(
                List.of("content_block_delta"),
                types.subList(3, count - 3).stream().distinct().toList());
        assertEquals(
                List.of("content_block_stop", "message_delta", "message_stop"),
                types.subList(count - 3, count));
        JsonNode begun = events.getFirst().get("message");
        assertTrue(begun.get("stop_reason").isNull());
        assertEquals(0, begun.get("content").size());
        assertEquals(0, begun.at("/usage/output_tokens").asInt());
        assertEquals(3, begun.at("/usage/cache_read_input_tokens").asInt());
        assertEquals("text_delta", events.get(3).at("/delta/type").asText());
        assertEquals(0, events.get(3).get("index").asInt());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "true | `` | end_turn | ",
                "false | `` | max_tokens | ",
                "true | ,'stop_sequences':['xyz','re.'] | stop_sequence | re.",
            })
    void aStreamIsTheMessageWithEachReasonToStop(
            boolean stops, String fields, String reason, String stop) throws Exception {
        generate("Hello there.", stops);
        ObjectNode whole = (ObjectNode) whole(fields);
        assertEquals(reason, whole.get("stop_reason").asText());
        assertEquals(stop, whole.get("stop_sequence").textValue());
        ObjectNode streamed = joined(stream(fields));
        assertEquals(whole.remove("id").isTextual(), streamed.remove("id").isTextual());
        assertEquals(whole, streamed);
    }

    @Test
    void anAnswerWithoutTextHasNoBlock() throws Exception {
        generate("", true);
        assertEquals(0, whole("").get("content").size());
        assertEquals(List.of("message_start", "message_delta", "message_stop"), types(stream("")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'model':'x','max_tokens':5,'messages':[{'role':'user','content':'a'}] | 404 | not_found_error",
                "'messages':[{'role':'user','content':'a'}] | 400 | invalid_request_error",
                "'max_tokens':5,'messages':[{'role':'user','content':'a'}],'temperature':9 | 400 | invalid_request_error",
            })
    void anErrorHasTheFormThatClientsExpect(String body, int status, String type) throws Exception {
        HttpResponse<String> response = post(PATH, body);
        assertError(response, status, type);
    }

    private static void assertError(HttpResponse<String> response, int status, String type) {
        assertEquals(status, response.statusCode(), response.body());
        JsonNode error = TestCoordinator.json(response.body());
        assertEquals("error", error.get("type").asText());
        assertEquals(type, error.at("/error/type").asText());
        assertTrue(error.at("/error/message").isTextual());
        assertEquals(
                response.headers().firstValue("request-id").orElse(""),
                error.get("request_id").asText());
    }

    @ParameterizedTest
    @CsvSource({
        "RESOURCE_EXHAUSTED, 429, rate_limit_error",
        "UNAVAILABLE, 529, overloaded_error",
        "DEADLINE_EXCEEDED, 504, timeout_error",
        "INTERNAL, 500, api_error",
    })
    void aFailureBeforeTheFirstTokenIsAPlainError(Status.Code code, int status, String type)
            throws Exception {
        tiny.scheduler.behave(call -> call.fail(code.toStatus()));
        assertError(post(PATH, "'stream':true,'max_tokens':50," + HELLO), status, type);
    }

    @Test
    void aFailureInTheStreamIsAnEvent() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.tokens(0, tiny.ids("Hello"));
                    call.fail(Status.INTERNAL);
                });
        List<JsonNode> events = stream("");
        assertEquals("error", types(events).getLast());
        assertEquals("api_error", events.getLast().at("/error/type").asText());
    }

    @Test
    void modelsHaveTheFormThatTheHeaderNames() throws Exception {
        JsonNode list = TestCoordinator.json(models("").body());
        JsonNode model = list.at("/data/0");
        assertEquals("model", model.get("type").asText());
        assertEquals("tiny", model.get("id").asText());
        assertEquals("tiny", model.get("display_name").asText());
        assertTrue(model.get("created_at").asText().endsWith("Z"));
        assertFalse(list.get("has_more").asBoolean());
        assertEquals("tiny", list.get("first_id").asText());
        assertEquals("tiny", list.get("last_id").asText());
        assertEquals(model, TestCoordinator.json(models("/tiny").body()));
        assertError(models("/other"), 404, "not_found_error");
        JsonNode ofOpenAi = TestCoordinator.json(tiny.get("/v1/models").body());
        assertEquals("list", ofOpenAi.get("object").asText());
    }

    private static HttpResponse<String> models(String name) throws Exception {
        // Not as OpenAI describes it.
        return tiny.client.send(
                HttpRequest.newBuilder(tiny.uri("/v1/models" + name))
                        .header("anthropic-version", "2023-06-01")
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }
}
