// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Fixtures;
import java.net.http.HttpResponse;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests of `/v1/responses` with answers of text; all responses and events are compared with
/// OpenAI's description.
final class ResponsesTest {
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
    void aResponseHasTheFormThatClientsExpect() throws Exception {
        tiny.generate("Hello there.");
        JsonNode response =
                client.create(
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
        assertEquals("Hello there.", ResponsesClient.text(response));
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
        JsonNode response = client.create("");
        assertEquals("incomplete", response.path("status").asText());
        assertEquals("max_output_tokens", response.at("/incomplete_details/reason").asText());
        assertEquals("incomplete", response.at("/output/0/status").asText());
        List<JsonNode> events =
                ResponsesClient.events(
                        tiny.post(ResponsesClient.PATH, ResponsesClient.body("\"stream\":true")));
        assertEquals("response.incomplete", events.getLast().path("type").asText());
    }

    @Test
    void theEventsOfAStreamAreInOrderAndMakeTheSameResponse() throws Exception {
        tiny.generate("Hello there.");
        List<JsonNode> events =
                ResponsesClient.events(
                        tiny.post(ResponsesClient.PATH, ResponsesClient.body("\"stream\":true")));
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
                ResponsesClient.types(events));
        var text = new StringBuilder();
        events.forEach(event -> text.append(event.path("delta").asText()));
        assertEquals("Hello there.", text.toString());
        JsonNode response = events.getLast().path("response");
        assertEquals("Hello there.", ResponsesClient.text(response));
        assertEquals(response, client.get(response.path("id").asText()));
    }

    @Test
    void logProbabilitiesAreIncluded() throws Exception {
        tiny.generate("Yes.");
        String more = "\"include\":[\"message.output_text.logprobs\"],\"top_logprobs\":2";
        JsonNode logprobs = client.create(more).at("/output/0/content/0/logprobs");
        // With the end token, as in a chat.
        assertEquals(tiny.ids("Yes.").length + 1, logprobs.size());
        assertEquals(2, logprobs.at("/0/top_logprobs").size());
        JsonNode delta =
                ResponsesClient.events(
                                tiny.post(
                                        ResponsesClient.PATH,
                                        ResponsesClient.body("\"stream\":true," + more)))
                        .get(4);
        assertEquals("response.output_text.delta", delta.path("type").asText());
        assertEquals(1, delta.path("logprobs").size());
    }

    @Test
    void itemsBecomeMessages() throws Exception {
        tiny.generate("Yes.");
        client.create(
                """
                "instructions":"Be kind.","input":[{"role":"user","content":"One"},
                {"type":"message","role":"assistant","id":"msg_1","status":"completed",
                 "content":[{"type":"output_text","text":"Two","annotations":[]}]},
                {"role":"user","content":[{"type":"input_text","text":"Thr"},{"type":"input_text","text":"ee"}]}]
                """);
        String asItems = tiny.nextPrompt();
        tiny.post(
                "/v1/chat/completions",
                """
                {"model":"tiny","messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"One"},
                {"role":"assistant","content":"Two"},{"role":"user","content":"Three"}]}
                """);
        assertEquals(tiny.nextPrompt(), asItems);
    }

    @Test
    void theOldestTurnsAreLeftOutWhereTheRequestAllowsIt() throws Exception {
        tiny.generate("Yes.");
        var input = new StringBuilder("\"input\":[");
        for (int i = 0; i < 40; i++) {
            input.append("{\"role\":\"user\",\"content\":\"turn ").append(i);
            input.append(" and some more text of it\"},");
        }
        input.append("{\"role\":\"user\",\"content\":\"the last\"}]");
        HttpResponse<String> refused =
                tiny.post(ResponsesClient.PATH, ResponsesClient.body(input.toString()));
        assertEquals(400, refused.statusCode(), refused.body());
        JsonNode error = TestCoordinator.json(refused.body()).path("error");
        assertEquals("context_length_exceeded", error.path("code").asText());
        assertEquals("input", error.path("param").asText());
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("Yes."));
                    call.finishByLength(0);
                });
        client.create(input + ",\"truncation\":\"auto\"");
        String prompt = tiny.nextPrompt();
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
                    "input":[{"type":"item_reference","id":"x"}] | input[0].id
                    "input":[{"type":"item_reference"}] | input[0].id
                    "input":[{"type":"reasoning","encrypted_content":"lockstep1.?"}] | input[0].encrypted_content
                    "max_tool_calls":-1 | max_tool_calls
                    "parallel_tool_calls":7 | parallel_tool_calls
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
        HttpResponse<String> response = tiny.post(ResponsesClient.PATH, ResponsesClient.body(more));
        assertEquals(400, response.statusCode(), response.body());
        JsonNode error = TestCoordinator.json(response.body()).path("error");
        assertEquals(param, error.path("param").asText(), response.body());
        assertTrue(error.path("message").asText().contains(param), response.body());
    }

    @Test
    void theModelAndTheInputAreRequired() throws Exception {
        assertEquals(400, tiny.post(ResponsesClient.PATH, "{\"input\":\"x\"}").statusCode());
        assertEquals(400, tiny.post(ResponsesClient.PATH, "{\"model\":\"tiny\"}").statusCode());
        assertEquals(
                404,
                tiny.post(ResponsesClient.PATH, "{\"model\":\"m\",\"input\":\"x\"}").statusCode());
    }

    @Test
    void theDescriptionRefusesWhatItDoesNotAllow() throws Exception {
        Fixtures.require(OpenAiDescription.FIXTURE);
        tiny.generate("Yes.");
        JsonNode completed =
                ResponsesClient.events(
                                tiny.post(
                                        ResponsesClient.PATH,
                                        ResponsesClient.body("\"stream\":true")))
                        .getLast();
        ((ObjectNode) completed.path("response")).put("status", "done");
        assertThrows(
                AssertionError.class,
                () -> OpenAiDescription.checkEvent(ResponsesClient.PATH, completed));
        JsonNode event =
                ResponsesClient.events(
                                tiny.post(
                                        ResponsesClient.PATH,
                                        ResponsesClient.body("\"stream\":true")))
                        .get(2);
        ((ObjectNode) event.path("item")).remove("content");
        assertThrows(
                AssertionError.class,
                () -> OpenAiDescription.checkEvent(ResponsesClient.PATH, event));
    }
}
