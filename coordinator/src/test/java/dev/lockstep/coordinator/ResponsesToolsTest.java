// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests of calls, reasoning and formats in `/v1/responses`, with scripted answers; all responses
/// and events are compared with OpenAI's description.
final class ResponsesToolsTest {
    private static final String PATH = "/v1/responses";
    private static final String TOOLS =
            """
            "tools":[{"type":"function","name":"weather","description":"d","strict":true,
            "parameters":{"type":"object","properties":{"city":{"type":"string"}},
            "required":["city"],"additionalProperties":false}}]""";
    private static final String ANSWER =
            "<think>\nHm\n</think>\n\nA.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\":\"Oslo\"}}\n</tool_call>";
    private static TestCoordinator server;

    @BeforeAll
    static void start() throws Exception {
        server = CallTemplates.MARKED.start();
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private static HttpResponse<String> post(String fields) throws Exception {
        String input = fields.contains("\"input\"") ? "" : "\"input\":\"Hello\",";
        return server.post(PATH, "{\"model\":\"tiny\"," + input + fields + "}");
    }

    private static JsonNode create(String fields) throws Exception {
        HttpResponse<String> response = post(fields);
        assertEquals(200, response.statusCode(), response.body());
        return TestCoordinator.json(response.body());
    }

    /// Returns the items without what differs from one answer to the next.
    private static JsonNode withoutIds(JsonNode output) {
        JsonNode copy = output.deepCopy();
        copy.forEach(item -> ((ObjectNode) item).remove(List.of("id", "call_id")));
        return copy;
    }

    @Test
    void reasoningTextAndCallsAreTheSameItemsInAStreamAndWhole() throws Exception {
        server.generate(ANSWER);
        JsonNode whole = create(TOOLS);
        JsonNode output = whole.path("output");
        assertEquals(3, output.size(), output.toString());
        assertEquals("Hm", output.at("/0/content/0/text").asText());
        assertEquals("A.", output.at("/1/content/0/text").asText());
        assertEquals("weather", output.at("/2/name").asText());
        assertEquals("{\"city\":\"Oslo\"}", output.at("/2/arguments").asText());
        assertEquals("completed", whole.path("status").asText());
        assertTrue(whole.at("/usage/output_tokens_details/reasoning_tokens").asInt() > 0);
        assertEquals("weather", whole.at("/tools/0/name").asText());

        List<JsonNode> events = new ArrayList<>();
        for (String line : post(TOOLS + ",\"stream\":true").body().split("\n", 0)) {
            if (line.startsWith("data: ")) {
                events.add(TestCoordinator.json(line.substring("data: ".length())));
            }
        }
        JsonNode last = events.getLast();
        assertEquals("response.completed", last.path("type").asText());
        assertEquals(withoutIds(output), withoutIds(last.at("/response/output")));
        var arguments = new StringBuilder();
        events.stream()
                .filter(each -> each.path("type").asText().endsWith("arguments.delta"))
                .forEach(each -> arguments.append(each.path("delta").asText()));
        assertEquals("{\"city\":\"Oslo\"}", arguments.toString());
    }

    @Test
    void theResultOfACallContinuesAResponse() throws Exception {
        server.generate(ANSWER);
        JsonNode first = create(TOOLS);
        server.nextPrompt();
        server.generate("Sun.");
        JsonNode second =
                create(
                        "%s,\"previous_response_id\":\"%s\",\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"%s\",\"output\":\"It shines\"}]"
                                .formatted(
                                        TOOLS,
                                        first.path("id").asText(),
                                        first.at("/output/2/call_id").asText()));
        String prompt = server.nextPrompt();
        assertTrue(prompt.contains("It shines"), prompt);
        assertTrue(prompt.contains("\"name\": \"weather\""), prompt);
        assertTrue(prompt.contains("<think>\nHm"), prompt);
        assertEquals("Sun.", second.at("/output/0/content/0/text").asText());
        HttpResponse<String> items =
                server.get(PATH + "/" + second.path("id").asText() + "/input_items?order=asc");
        assertEquals(5, TestCoordinator.json(items.body()).path("data").size(), items.body());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"tool_choice\":\"required\"",
                "\"tool_choice\":{\"type\":\"function\",\"name\":\"weather\"}",
                "\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"required\",\"tools\":[{\"type\":\"function\",\"name\":\"weather\"}]}",
            })
    void aChoiceOfToolsConstrainsTheAnswer(String choice) throws Exception {
        server.generate(ANSWER);
        JsonNode response = create(TOOLS + "," + choice);
        assertFalse(server.scheduler.nextCall().request().getConstraint().isEmpty());
        assertEquals(
                TestCoordinator.json("{" + choice + "}").path("tool_choice"),
                response.path("tool_choice"));
    }

    @Test
    void oneCallIsLeftWithoutParallelCalls() throws Exception {
        server.generate(ANSWER + "\n" + ANSWER.substring(ANSWER.indexOf("<tool_call>")));
        assertEquals(4, create(TOOLS).path("output").size());
        JsonNode one = create(TOOLS + ",\"parallel_tool_calls\":false");
        assertEquals(3, one.path("output").size());
        assertFalse(one.path("parallel_tool_calls").asBoolean(true));
    }

    @Test
    void aFormatConstrainsTheAnswer() throws Exception {
        server.generate("{\"a\":1}");
        String format =
                """
                "text":{"format":{"type":"json_schema","name":"n","strict":true,
                "schema":{"type":"object","properties":{"a":{"type":"integer"}}}}}""";
        JsonNode response = create(format);
        assertFalse(server.scheduler.nextCall().request().getConstraint().isEmpty());
        assertEquals("json_schema", response.at("/text/format/type").asText());
        create("\"text\":{\"format\":{\"type\":\"json_object\"}}");
        assertFalse(server.scheduler.nextCall().request().getConstraint().isEmpty());
        create("\"text\":{\"format\":{\"type\":\"text\"}}");
        assertTrue(server.scheduler.nextCall().request().getConstraint().isEmpty());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'tools':[{'type':'function','name':''}] | tools[0].name",
                "'tools':[{'type':'function','name':'a'},{'type':'function','name':'a'}] | tools[1].name",
                "'tools':[{'type':'function','name':'a'}],'tool_choice':{'type':'function','name':'b'} | tool_choice.name",
                "'text':{'format':{'type':'json_schema','name':'n','schema':{'unevaluatedProperties':{'type':'string'}}}} | text.format.schema",
            })
    void whatTheChatRefusesHasTheNamesOfTheRequest(String fields, String param) throws Exception {
        HttpResponse<String> refused = post(fields.replace('\'', '"'));
        assertEquals(400, refused.statusCode(), refused.body());
        JsonNode error = TestCoordinator.json(refused.body()).path("error");
        assertEquals(param, error.path("param").asText(), refused.body());
    }
}
