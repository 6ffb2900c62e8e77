// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Tests of tools and reasoning in `/v1/chat/completions`, with scripted answers.
final class ToolCallsTest {
    private static final String WEATHER =
            """
            {"type":"function","function":{"name":"weather","parameters":{"type":"object",
            "properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"],
            "additionalProperties":false}}}""";
    private static final String TIME =
            """
            {"type":"function","function":{"name":"time","parameters":{"type":"object",
            "properties":{"zone":{"type":"string"}},"required":["zone"],"additionalProperties":false}}}""";
    private static final String TOOLS = "\"tools\":[" + WEATHER + "," + TIME + "]";

    private static final String MARKED_CALL =
            "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\":\"Ö{}slo\",\"days\":2}}\n</tool_call>";
    private static final String MARKED_SECOND =
            "<tool_call>\n{\"name\": \"time\", \"arguments\": {\"zone\":\"a\\\"b\"}}\n</tool_call>";

    private static final Map<CallTemplates, TestCoordinator> SERVERS = new TreeMap<>();

    @BeforeAll
    static void start() throws Exception {
        for (CallTemplates template : CallTemplates.values()) {
            SERVERS.put(template, template.start());
        }
    }

    @AfterAll
    static void stop() {
        SERVERS.values().forEach(TestCoordinator::close);
    }

    private static TestCoordinator marked() {
        return server(CallTemplates.MARKED);
    }

    private static TestCoordinator server(CallTemplates template) {
        return Objects.requireNonNull(SERVERS.get(template), "a server of each template");
    }

    /// Lets every choice generate this text, one token per event, and the end token.
    private static void generate(TestCoordinator server, String text) {
        server.scheduler.behave(
                call -> {
                    for (int i = 0; i < call.request().getChoices(); i++) {
                        call.oneByOne(i, server.ids(text));
                        call.oneByOne(i, TestCoordinator.END);
                        call.finish(i, true, TestCoordinator.END);
                    }
                });
    }

    /// Joins the chunks of one choice to the message of an answer without a stream, and checks the
    /// form of the stream.
    private static ObjectNode joined(List<JsonNode> events) {
        ObjectNode message = TestCoordinator.object();
        ArrayNode calls = TestCoordinator.object().putArray("calls");
        String finish = "";
        boolean first = true;
        for (JsonNode event : events) {
            for (JsonNode choice : event.get("choices")) {
                JsonNode delta = choice.get("delta");
                assertEquals(first, delta.has("role"), event.toString());
                first = false;
                assertFalse(delta.has("content") && delta.has("tool_calls"), event.toString());
                for (String field : List.of("content", "reasoning_content", "reasoning")) {
                    if (delta.has(field)) {
                        message.put(
                                field, message.path(field).asText() + delta.get(field).asText());
                    }
                }
                if (delta.has("tool_calls")) {
                    assertEquals(1, delta.get("tool_calls").size());
                    add(calls, delta.get("tool_calls").get(0));
                }
                if (!choice.get("finish_reason").isNull()) {
                    finish = choice.get("finish_reason").asText();
                }
            }
        }
        if (!calls.isEmpty()) {
            message.set("tool_calls", calls);
        }
        return message.put("finish_reason", finish);
    }

    private static void add(ArrayNode calls, JsonNode delta) {
        int index = delta.get("index").asInt();
        if (delta.has("id")) {
            assertEquals(calls.size(), index);
            assertEquals("function", delta.get("type").asText());
            assertEquals("", delta.at("/function/arguments").asText());
            ObjectNode call = calls.addObject().put("type", "function");
            call.putObject("function")
                    .put("name", delta.at("/function/name").asText())
                    .put("arguments", "");
            return;
        }
        assertEquals(calls.size() - 1, index);
        assertFalse(delta.get("function").has("name"));
        ObjectNode function = (ObjectNode) calls.get(index).get("function");
        function.put(
                "arguments",
                function.get("arguments").asText() + delta.at("/function/arguments").asText());
    }

    /// Returns the message of an answer without a stream in the form of [#joined].
    private static ObjectNode whole(JsonNode response) {
        ObjectNode choice = (ObjectNode) response.at("/choices/0");
        ObjectNode message = (ObjectNode) choice.get("message");
        assertEquals("assistant", message.remove("role").asText());
        message.remove("refusal");
        if (message.get("content").isNull()) {
            message.put("content", "");
        }
        for (JsonNode call : message.path("tool_calls")) {
            assertTrue(((ObjectNode) call).remove("id").asText().startsWith("call_"));
        }
        return message.put("finish_reason", choice.get("finish_reason").asText());
    }

    static List<Arguments> answers() {
        List<Arguments> all = new ArrayList<>();
        String tagged =
                "<tool_call>\n<function=weather>\n<parameter=city>\nO\"s\nlo\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>";
        String bare = "{\"name\": \"weather\", \"parameters\": {\"city\":\"Oslo\"}}";
        add(all, CallTemplates.MARKED, "Hello <there>.", "", "Hello <there>.", 0);
        add(all, CallTemplates.MARKED, "<think>\nHm\n</think>\n\nYes.", "Hm", "Yes.", 0);
        add(all, CallTemplates.MARKED, MARKED_CALL, "", "", 1);
        add(all, CallTemplates.MARKED, "A.\n" + MARKED_CALL + "\n" + MARKED_SECOND, "", "A.", 2);
        add(all, CallTemplates.MARKED, "<think>\nHm\n</think>\n\n" + MARKED_CALL, "Hm", "", 1);
        add(all, CallTemplates.TAGGED, "Hello <tool", "", "Hello <tool", 0);
        add(all, CallTemplates.TAGGED, "A.\n" + tagged + "\n" + tagged, "", "A.", 2);
        add(all, CallTemplates.BARE, bare, "", "", 1);
        add(all, CallTemplates.BARE, "{\"a\": 1}", "", "{\"a\": 1}", 0);
        return all;
    }

    private static void add(
            List<Arguments> all,
            CallTemplates template,
            String output,
            String reasoning,
            String content,
            int calls) {
        all.add(Arguments.of(template, output, reasoning, content, calls));
    }

    @ParameterizedTest
    @MethodSource("answers")
    void anAnswerHasTheSamePartsInAStreamAndWhole(
            CallTemplates template, String output, String reasoning, String content, int calls)
            throws Exception {
        TestCoordinator server = server(template);
        generate(server, output);
        ObjectNode message = whole(server.chat(TOOLS));
        assertEquals(content, message.get("content").asText());
        assertEquals(reasoning, message.path("reasoning_content").asText());
        assertEquals(reasoning, message.path("reasoning").asText());
        assertEquals(calls, message.path("tool_calls").size());
        assertEquals(calls > 0 ? "tool_calls" : "stop", message.get("finish_reason").asText());
        for (JsonNode call : message.path("tool_calls")) {
            assertTrue(TestCoordinator.json(call.at("/function/arguments").asText()).isObject());
        }
        assertEquals(message, joined(server.chatEvents(TOOLS)));
    }

    @Test
    void contentIsNullWhereAnAnswerOnlyCalls() throws Exception {
        generate(marked(), MARKED_CALL);
        JsonNode message = marked().chat(TOOLS).at("/choices/0/message");
        assertTrue(message.get("content").isNull());
        JsonNode function = message.at("/tool_calls/0/function");
        assertEquals("weather", function.get("name").asText());
        assertEquals(
                "{\"city\":\"Ö{}slo\",\"days\":2}",
                TestCoordinator.json(function.get("arguments").asText()).toString());
    }

    @Test
    void idsOfCallsDiffer() throws Exception {
        generate(marked(), MARKED_CALL + "\n" + MARKED_SECOND);
        JsonNode calls = marked().chat(TOOLS).at("/choices/0/message/tool_calls");
        assertNotEquals(calls.at("/0/id").asText(), calls.at("/1/id").asText());
    }

    @Test
    void onlyTheFirstCallIsKeptWithoutParallelCalls() throws Exception {
        generate(marked(), MARKED_CALL + "\n" + MARKED_SECOND);
        ObjectNode message = whole(marked().chat(TOOLS + ",\"parallel_tool_calls\":false"));
        assertEquals(1, message.get("tool_calls").size());
        assertEquals("weather", message.at("/tool_calls/0/function/name").asText());
    }

    @Test
    void anAnswerCutWithinACallEndsByLength() throws Exception {
        marked().scheduler
                .behave(
                        call -> {
                            call.oneByOne(0, marked().ids(MARKED_CALL.substring(0, 60)));
                            call.finishByLength(0);
                        });
        JsonNode choice = marked().chat(TOOLS).at("/choices/0");
        assertEquals("length", choice.get("finish_reason").asText());
    }

    @Test
    void olderClientsGetAFunctionCall() throws Exception {
        generate(marked(), MARKED_CALL + "\n" + MARKED_SECOND);
        String functions = "\"functions\":[" + TestCoordinator.json(WEATHER).get("function") + "]";
        JsonNode choice = marked().chat(functions).at("/choices/0");
        assertEquals("function_call", choice.get("finish_reason").asText());
        assertEquals("weather", choice.at("/message/function_call/name").asText());
        assertFalse(choice.get("message").has("tool_calls"));
        var arguments = new StringBuilder();
        for (JsonNode event : marked().chatEvents(functions)) {
            arguments.append(event.at("/choices/0/delta/function_call/arguments").asText(""));
        }
        assertEquals(choice.at("/message/function_call/arguments").asText(), arguments.toString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'include_reasoning':false | `` | Yes.",
                "'separate_reasoning':false | `` | <think>_Hm_</think>__Yes.",
                "'reasoning_format':'none' | `` | <think>_Hm_</think>__Yes.",
                "'reasoning_format':'deepseek' | Hm | Yes."
            })
    void aRequestSaysWhereReasoningGoes(String field, String reasoning, String content)
            throws Exception {
        generate(marked(), "<think>\nHm\n</think>\n\nYes.");
        JsonNode response = marked().chat(field.replace('\'', '"'));
        JsonNode message = response.at("/choices/0/message");
        assertEquals(reasoning, message.path("reasoning_content").asText());
        assertEquals(content.replace('_', '\n'), message.get("content").asText());
        int tokens = response.at("/usage/completion_tokens_details/reasoning_tokens").asInt();
        assertTrue(
                tokens > 0 && tokens < response.at("/usage/completion_tokens").asInt(),
                response.toString());
    }

    @Test
    void reasoningEffortReachesTheTemplateAsItReadsIt() throws Exception {
        generate(marked(), "Yes.");
        marked().chat("\"reasoning_effort\":\"none\"");
        int without = marked().scheduler.nextCall().request().getPromptIdsCount();
        marked().chat("\"reasoning_effort\":\"high\"");
        assertTrue(marked().scheduler.nextCall().request().getPromptIdsCount() > without);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'tools':[{}] | tools[0].function",
                "'tools':[{'type':'custom','custom':{'name':'a'}}] | tools[0].type",
                "'tools':[{'type':'function','function':{'name':''}}] | tools[0].function.name",
                "'tools':[{'function':{'name':'a'}},{'function':{'name':'a'}}] | tools[1].function.name",
                "'tools':[{'function':{'name':'a'}}],'tool_choice':'perhaps' | tool_choice",
                "'tools':[{'function':{'name':'a'}}],'tool_choice':{'type':'function','function':{'name':'b'}} | tool_choice.function.name",
                "'tools':[{'function':{'name':'a'}}],'functions':[{'name':'a'}] | functions",
                "'tool_choice':'required' | tool_choice"
            })
    void aWrongToolIsRefusedByName(String fields, String param) throws Exception {
        HttpResponse<String> refused =
                marked().post(
                                "/v1/chat/completions",
                                TestCoordinator.chatBody(fields.replace('\'', '"')));
        assertEquals(400, refused.statusCode(), refused.body());
        assertEquals(param, TestCoordinator.json(refused.body()).at("/error/param").asText());
    }

    @Test
    void olderMessagesOfFunctionsAreCallsAndResults() throws Exception {
        generate(marked(), "Yes.");
        String older =
                """
                {"model":"tiny","messages":[{"role":"user","content":"a"},
                {"role":"assistant","content":null,"function_call":{"name":"weather","arguments":"{\\"city\\":\\"b\\"}"}},
                {"role":"function","name":"weather","content":"c"}]}""";
        String newer =
                """
                {"model":"tiny","messages":[{"role":"user","content":"a"},
                {"role":"assistant","tool_calls":[{"id":"x","type":"function","function":{"name":"weather","arguments":"{\\"city\\":\\"b\\"}"}}]},
                {"role":"tool","tool_call_id":"x","content":"c"}]}""";
        List<List<Integer>> prompts = new ArrayList<>();
        for (String body : List.of(older, newer)) {
            HttpResponse<String> response = marked().post("/v1/chat/completions", body);
            assertEquals(200, response.statusCode(), response.body());
            prompts.add(marked().scheduler.nextCall().request().getPromptIdsList());
        }
        assertEquals(prompts.get(1), prompts.get(0));
    }
}
