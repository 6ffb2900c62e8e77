// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests of tools, reasoning and schemas in Anthropic's and Ollama's API, with scripted answers.
final class OtherApisToolsTest {
    private static final String SCHEMA =
            "{'type':'object','properties':{'city':{'type':'string'}},'required':['city'],"
                    + "'additionalProperties':false}";
    private static final String MESSAGES =
            "'max_tokens':200,'messages':[{'role':'user','content':'Weather?'}],"
                    + "'tools':[{'name':'weather','input_schema':"
                    + SCHEMA
                    + "}]";
    private static final String CHAT =
            "'messages':[{'role':'user','content':'Weather?'}],"
                    + "'tools':[{'type':'function','function':{'name':'weather','parameters':"
                    + SCHEMA
                    + "}}]";
    private static final String ANSWER =
            """
            <think>
            hm
            </think>

            I look.
            <tool_call>
            {"name": "weather", "arguments": {"city":"Oslo"}}
            </tool_call>
            <tool_call>
            {"name": "weather", "arguments": {"city":"Rome"}}
            </tool_call>""";
    private static TestCoordinator server;

    @BeforeAll
    static void start() throws Exception {
        server = CallTemplates.MARKED.start();
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private static String post(String path, String fields) throws Exception {
        HttpResponse<String> response =
                server.post(path, ("{'model':'tiny'," + fields + "}").replace('\'', '"'));
        assertEquals(200, response.statusCode(), response.body());
        return response.body();
    }

    /// Joins the events of a message as a client does.
    private static ObjectNode joined(String body, Set<String> deltas) {
        ObjectNode message = TestCoordinator.object();
        List<StringBuilder> inputs = new ArrayList<>();
        ArrayNode content = message.putArray("content");
        for (String event : body.split("\n\n", 0)) {
            JsonNode data = TestCoordinator.json(event.substring(event.indexOf("data: ") + 6));
            switch (data.get("type").asText()) {
                case "message_start" -> assertTrue(data.at("/message/stop_reason").isNull(), event);
                case "content_block_start" -> {
                    assertEquals(content.size(), data.get("index").asInt());
                    content.add(data.get("content_block").deepCopy());
                    inputs.add(new StringBuilder());
                }
                case "content_block_delta" -> {
                    JsonNode delta = data.get("delta");
                    int index = data.get("index").asInt();
                    assertEquals(content.size() - 1, index);
                    deltas.add(delta.get("type").asText());
                    var block = (ObjectNode) content.get(index);
                    for (String field : List.of("text", "thinking", "signature")) {
                        if (delta.has(field)) {
                            block.put(field, block.get(field).asText() + delta.get(field).asText());
                        }
                    }
                    inputs.get(index).append(delta.path("partial_json").asText());
                }
                case "content_block_stop" -> {
                    int index = data.get("index").asInt();
                    if (!inputs.get(index).isEmpty()) {
                        ((ObjectNode) content.get(index))
                                .set("input", TestCoordinator.json(inputs.get(index).toString()));
                    }
                }
                case "message_delta" -> message.set("stop_reason", data.at("/delta/stop_reason"));
                default -> {}
            }
        }
        return message;
    }

    private static void dropIds(JsonNode content) {
        Set<String> ids = new LinkedHashSet<>();
        for (JsonNode block : content) {
            if (block.has("id")) {
                assertTrue(ids.add(((ObjectNode) block).remove("id").asText()));
            }
        }
    }

    @Test
    void aMessageHasThinkingTextAndCalls() throws Exception {
        server.generate(ANSWER);
        JsonNode whole = TestCoordinator.json(post("/v1/messages", MESSAGES));
        ArrayNode content = (ArrayNode) whole.get("content");
        dropIds(content);
        String signature = content.get(0).get("signature").asText();
        assertFalse(signature.isEmpty());
        assertEquals(
                TestCoordinator.json(
                        ("[{'type':'thinking','thinking':'hm','signature':'"
                                        + signature
                                        + "'},{'type':'text','text':'I look.'},"
                                        + "{'type':'tool_use','name':'weather','input':{'city':'Oslo'}},"
                                        + "{'type':'tool_use','name':'weather','input':{'city':'Rome'}}]")
                                .replace('\'', '"')),
                content);
        assertEquals("tool_use", whole.get("stop_reason").asText());
        Set<String> deltas = new LinkedHashSet<>();
        ObjectNode streamed = joined(post("/v1/messages", MESSAGES + ",'stream':true"), deltas);
        dropIds(streamed.get("content"));
        assertEquals(content, streamed.get("content"));
        assertEquals("tool_use", streamed.get("stop_reason").asText());
        assertEquals(
                List.of("thinking_delta", "signature_delta", "text_delta", "input_json_delta"),
                List.copyOf(deltas));
    }

    @Test
    void theEventsOfAMessageComeInTheDocumentedOrder() throws Exception {
        server.generate(ANSWER);
        List<String> types = new ArrayList<>();
        for (String event : post("/v1/messages", MESSAGES + ",'stream':true").split("\n\n", 0)) {
            String[] lines = event.split("\n", -1);
            JsonNode data = TestCoordinator.json(lines[1].substring("data: ".length()));
            assertEquals("event: " + data.get("type").asText(), lines[0]);
            String type = data.at("/delta/type").asText(data.get("type").asText());
            if (types.isEmpty() || !types.getLast().equals(type)) {
                types.add(type);
            }
        }
        String begin = "content_block_start";
        String end = "content_block_stop";
        assertEquals(
                List.of(
                        "message_start",
                        begin,
                        "ping",
                        "thinking_delta",
                        "signature_delta",
                        end,
                        begin,
                        "text_delta",
                        end,
                        begin,
                        "input_json_delta",
                        end,
                        begin,
                        "input_json_delta",
                        end,
                        "message_delta",
                        "message_stop"),
                types);
    }

    @Test
    void oneCallIsLeftWithoutParallelUse() throws Exception {
        server.generate(ANSWER);
        JsonNode whole =
                TestCoordinator.json(
                        post(
                                "/v1/messages",
                                MESSAGES
                                        + ",'tool_choice':{'type':'auto','disable_parallel_tool_use':true}"));
        assertEquals(3, whole.get("content").size());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "/v1/messages | ,'tool_choice':{'type':'any'}",
                "/v1/messages | ,'tool_choice':{'type':'tool','name':'weather'}",
                "/v1/messages/none | ,'tool_choice':{'type':'none'}",
                "/v1/messages | ,'tool_choice':{'type':'none'},'output_format':{'type':'json_schema','schema':{'type':'object'}}",
                "/api/chat | ,'tools':[],'format':'json'",
                "/api/chat | ,'tools':[],'format':{'type':'object','properties':{'a':{'type':'integer'}}}",
            })
    void whatTheTextMustBeIsConstrained(String path, String fields) throws Exception {
        server.generate("Hello.");
        boolean free = path.endsWith("/none");
        String route = free ? "/v1/messages" : path;
        String base =
                route.equals("/api/chat") ? CHAT.substring(0, CHAT.indexOf(",'tools'")) : MESSAGES;
        post(route, base + fields);
        assertEquals(free, server.scheduler.nextCall().request().getConstraint().isEmpty());
    }

    @Test
    void thinkingIsAVariableOfTheTemplate() throws Exception {
        server.generate("Hello.");
        String hello = "'max_tokens':20,'messages':[{'role':'user','content':'Hello'}]";
        String thinks = "thinks\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n";
        post("/v1/messages", hello + ",'thinking':{'type':'adaptive'}");
        assertPrompt(thinks);
        post("/api/chat", hello + ",'think':true");
        assertPrompt(thinks);
        post("/api/chat", hello + ",'think':false");
        assertPrompt(thinks.substring("thinks\n".length()));
    }

    private static void assertPrompt(String text) throws Exception {
        assertEquals(
                Arrays.stream(server.ids(text)).boxed().toList(),
                server.scheduler.nextCall().request().getPromptIdsList());
    }

    @Test
    void anAnswerOfOllamasChatHasThinkingTextAndCalls() throws Exception {
        server.generate(ANSWER);
        JsonNode whole = TestCoordinator.json(post("/api/chat", CHAT + ",'stream':false"));
        JsonNode message = whole.get("message");
        dropIds(message.get("tool_calls"));
        assertEquals(
                TestCoordinator.json(
                        """
                        {"role":"assistant","content":"I look.","thinking":"hm","tool_calls":[
                        {"function":{"index":0,"name":"weather","arguments":{"city":"Oslo"}}},
                        {"function":{"index":1,"name":"weather","arguments":{"city":"Rome"}}}]}"""),
                message);
        assertEquals("stop", whole.get("done_reason").asText());

        ObjectNode joined = TestCoordinator.object().put("role", "assistant").put("content", "");
        ArrayNode calls = TestCoordinator.object().putArray("calls");
        List<String> lines = post("/api/chat", CHAT).lines().toList();
        for (String line : lines) {
            JsonNode part = TestCoordinator.json(line).get("message");
            for (String field : List.of("content", "thinking")) {
                if (part.has(field)) {
                    joined.put(field, joined.path(field).asText() + part.get(field).asText());
                }
            }
            part.path("tool_calls").forEach(calls::add);
        }
        joined.set("tool_calls", calls);
        dropIds(calls);
        assertEquals(message, joined);
        assertTrue(TestCoordinator.json(lines.getLast()).get("done").asBoolean());
    }

    @Test
    void theCapabilitiesAreThoseOfTheTemplate() throws Exception {
        JsonNode shown = TestCoordinator.json(post("/api/show", "'verbose':true"));
        assertEquals(
                "[\"completion\",\"embedding\",\"tools\",\"thinking\"]",
                shown.get("capabilities").toString());
    }
}
