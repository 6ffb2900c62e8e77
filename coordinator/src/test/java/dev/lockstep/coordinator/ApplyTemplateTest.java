// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ModelTemplate;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests of `POST /apply-template`, with a template that prints all its variables.
final class ApplyTemplateTest {
    private static final String PATH = "/apply-template";
    private static final String TEMPLATE =
            """
            {%- for message in messages -%}
            {{ message.role }}: {{ message.content | tojson }}
            {%- for call in message.tool_calls %} calls {{ call.function.name }} {{ call.function.arguments.city }}{% endfor %};
            {%- if message.content == "boom" %}
            {{ raise_exception("no booms") }}
            {%- endif %}
            {%- endfor -%}
            {{ " tools=" ~ (tools | tojson if tools is defined else "undefined") }}
            {{- " more=" ~ (more is defined and more) }}
            {{- " go" if add_generation_prompt }}""";
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        ServedModel model = TestCoordinator.tinyModel();
        tiny =
                TestCoordinator.start(
                        Models.templated(
                                model,
                                new ModelTemplate.Usable(ChatTemplate.parse(TEMPLATE, "", ""))));
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static String body(String fields) {
        return ("{'model':'tiny'," + fields + "}").replace('\'', '"');
    }

    private static String prompt(String fields) throws Exception {
        HttpResponse<String> response = tiny.post(PATH, body(fields));
        assertEquals(200, response.statusCode(), response.body());
        JsonNode json = TestCoordinator.json(response.body());
        assertEquals(1, json.size());
        return json.get("prompt").textValue();
    }

    private static JsonNode refused(TestCoordinator server, String fields) throws Exception {
        HttpResponse<String> response = server.post(PATH, body(fields));
        assertEquals(400, response.statusCode(), response.body());
        JsonNode error = TestCoordinator.json(response.body()).get("error");
        assertEquals("invalid_request_error", error.get("type").asText());
        return error;
    }

    @Test
    void messagesAreRenderedToThePromptOfAChat() throws Exception {
        assertEquals(
                "system: \"be kind\";user: \"a{{b}}\"; tools=undefined more=False go",
                prompt(
                        "'messages':[{'role':'developer','content':'be kind'},"
                                + "{'role':'user','content':[{'type':'text','text':'a'},{'type':'text','text':'{{b}}'}]}]"));
        assertEquals(
                "user: \"a\"; tools=undefined more=False",
                prompt(
                        "'messages':[{'role':'user','content':'a'}],'add_generation_prompt':false,'tools':[],'tool_choice':'auto'"));
    }

    @Test
    void toolsToolCallsAndToolResultsReachTheTemplate() throws Exception {
        assertEquals(
                "assistant: \"\" calls w Oslo;tool: \"cold\"; tools=[{\"type\": \"function\"}] more=1 go",
                prompt(
                        "'messages':[{'role':'assistant','content':null,'tool_calls':[{'function':{'name':'w','arguments':'{\\'city\\':\\'Oslo\\'}'}}]},"
                                + "{'role':'tool','content':'cold'}],"
                                + "'tools':[{'type':'function'}],'chat_template_kwargs':{'more':1}"));
    }

    @Test
    void anErrorOfTheTemplateIsReportedWithItsLine() throws Exception {
        JsonNode error = refused(tiny, "'messages':[{'role':'user','content':'boom'}]");
        assertEquals("messages", error.get("param").asText());
        assertTrue(
                error.get("message").asText().contains("template line 5: no booms"),
                error.toString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'add_generation_prompt':true | messages | messages is missing",
                "'messages':[] | messages | messages is empty",
                "'messages':['a'] | messages[0] | must be an object",
                "'messages':[{'role':'pirate','content':'a'}] | messages[0].role | pirate",
                "'messages':[{'role':'user'}] | messages[0].content | is missing",
                "'messages':[{'role':'user','content':'a'}],'tools':['a'] | tools[0] | must be an object",
                "'messages':[{'role':'user','content':'a'}],'chat_template':'{{ 1 }}' | chat_template | not served",
                "'messages':[{'role':'user','content':'a'}],'chat_template_kwargs':{'messages':1} | chat_template_kwargs | 'messages' cannot be given",
            })
    void anInvalidFieldIsNamed(String fields, String field, String message) throws Exception {
        JsonNode error = refused(tiny, fields);
        assertEquals(field, error.get("param").asText());
        assertTrue(error.get("message").asText().contains(message), error.toString());
    }

    @Test
    void anUnknownModelIsNotFound() throws Exception {
        assertEquals(404, tiny.post(PATH, "{\"model\":\"gpt-4\"}").statusCode());
    }

    @Test
    void aMissingTemplateOrTokenizerIsReported() throws Exception {
        ServedModel model = TestCoordinator.tinyModel();
        String chat = "'messages':[{'role':'user','content':'a'}]";
        try (TestCoordinator plain =
                TestCoordinator.start(Models.templated(model, new ModelTemplate.Missing()))) {
            assertTrue(
                    refused(plain, chat).get("message").asText().contains("has no chat template"));
        }
        ServedModel idsOnly = Models.withoutTokenizer(model);
        try (TestCoordinator ids = TestCoordinator.start(idsOnly)) {
            assertTrue(refused(ids, chat).get("message").asText().contains("has no tokenizer"));
        }
    }
}
