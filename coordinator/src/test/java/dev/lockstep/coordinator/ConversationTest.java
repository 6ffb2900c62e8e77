// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.proto.v1.ChatMessage;
import dev.lockstep.proto.v1.ChatMessages;
import dev.lockstep.proto.v1.InferenceGrpc;
import dev.lockstep.proto.v1.InferenceRequest;
import dev.lockstep.proto.v1.ToolCall;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ModelTemplate;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import java.net.http.HttpResponse;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests that chats, over HTTP and gRPC, `/tokenize` and `/apply-template` render a conversation
/// alike, with earlier tool calls and their results.
final class ConversationTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String TEMPLATE =
            """
            {%- for message in messages -%}
            [{{ message.role }}{{ " " ~ message.name if message.name }}] {{ message.content }}
            {%- if message.reasoning_content %} ({{ message.reasoning_content }}){% endif %}
            {%- for call in message.tool_calls %} {{ call.id }}={{ call.function.name -}}
            {% for key, value in call.function.arguments.items() %} {{ key }}:{{ value }}{% endfor %}
            {%- endfor -%}
            {{ " for " ~ message.tool_call_id if message.tool_call_id }}
            {%- endfor -%}
            {%- for document in documents %} {{ document.title }}{% endfor %}
            {{- " tools" if tools }}{{ " thinking" if enable_thinking }}
            {{- " go" if add_generation_prompt }}""";
    private static final String HISTORY =
            """
            'messages':[{'role':'user','content':'Weather?'},
            {'role':'assistant','content':null,'refusal':null,'audio':null,'function_call':null,
            'reasoning_content':'hm','tool_calls':[
            {'id':'call_1','type':'function','function':{'name':'weather','arguments':'{#city#: #Oslo#, #days#: 2}'}},
            {'id':'call_2','type':'function','function':{'name':'now','arguments':''}}]},
            {'role':'tool','tool_call_id':'call_1','name':'weather','content':[{'type':'text','text':'cold'}]},
            {'role':'assistant','content':'Cold.','tool_calls':[]}]""";
    private static final String RENDERED =
            "[user] Weather?[assistant]  (hm) call_1=weather city:Oslo days:2 call_2=now[tool weather] cold for call_1[assistant] Cold.";
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start(model(TEMPLATE));
        tiny.scheduler.behave(call -> call.finishByLength(0));
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static ServedModel model(String template) throws Exception {
        return Models.templated(
                TestCoordinator.tinyModel(),
                new ModelTemplate.Usable(ChatTemplate.parse(template, "", "")));
    }

    /// Writes `'` for the quotes of JSON and `#` for those of JSON in a text.
    private static String body(String fields) {
        return ("{'model':'tiny'," + fields + "}").replace('\'', '"').replace("#", "\\\"");
    }

    private static JsonNode accepted(String path, String fields) throws Exception {
        HttpResponse<String> response = tiny.post(path, body(fields));
        assertEquals(200, response.statusCode(), response.body());
        return TestCoordinator.json(response.body());
    }

    private static List<Integer> ids(String text) {
        return Arrays.stream(tiny.ids(text)).boxed().toList();
    }

    private static void assertRendered(String expected, String fields) throws Exception {
        assertEquals(expected, accepted("/apply-template", fields).get("prompt").asText());
        assertEquals(ids(expected).size(), accepted("/tokenize", fields).get("count").asInt());
        accepted(CHAT, fields);
        assertEquals(ids(expected), tiny.scheduler.nextCall().request().getPromptIdsList());
    }

    @Test
    void toolCallsAndTheirResultsAreRendered() throws Exception {
        assertRendered(RENDERED + " go", HISTORY);
        assertRendered(RENDERED, HISTORY + ",'add_generation_prompt':false");
    }

    @Test
    void reasoningHasTwoNames() throws Exception {
        assertRendered(RENDERED + " go", HISTORY.replace("reasoning_content", "reasoning"));
    }

    @Test
    void documentsAndFurtherVariablesAreRendered() throws Exception {
        assertRendered(
                RENDERED + " A B thinking go",
                HISTORY
                        + ",'documents':[{'title':'A'},{'title':'B'}],'chat_template_kwargs':{'enable_thinking':true}");
    }

    @Test
    void toolsAreRenderedOnlyWhereNoneCanBeCalled() throws Exception {
        String tools = HISTORY + ",'tools':[{'type':'function','function':{'name':'f'}}]";
        assertEquals(
                RENDERED + " tools go", accepted("/apply-template", tools).get("prompt").asText());
        assertEquals(
                ids(RENDERED + " tools go").size(),
                accepted("/tokenize", tools).get("count").asInt());
        assertEquals("tools", refused(CHAT, tools).get("param").asText());
        accepted(CHAT, tools + ",'tool_choice':'none'");
        assertEquals(ids(RENDERED + " go"), tiny.scheduler.nextCall().request().getPromptIdsList());
    }

    @Test
    void aChatOverGrpcIsRenderedAlike() throws Exception {
        ChatMessages chat =
                ChatMessages.newBuilder()
                        .addMessages(
                                ChatMessage.newBuilder().setRole("user").setContent("Weather?"))
                        .addMessages(
                                ChatMessage.newBuilder()
                                        .setRole("assistant")
                                        .setReasoningContent("hm")
                                        .addToolCalls(
                                                ToolCall.newBuilder()
                                                        .setId("call_1")
                                                        .setName("weather")
                                                        .setArguments(
                                                                "{\"city\": \"Oslo\", \"days\": 2}"))
                                        .addToolCalls(
                                                ToolCall.newBuilder()
                                                        .setId("call_2")
                                                        .setName("now")))
                        .addMessages(
                                ChatMessage.newBuilder()
                                        .setRole("tool")
                                        .setName("weather")
                                        .setToolCallId("call_1")
                                        .setContent("cold"))
                        .addMessages(
                                ChatMessage.newBuilder().setRole("assistant").setContent("Cold."))
                        .addDocuments("{\"title\": \"A\"}")
                        .setChatTemplateKwargs("{\"enable_thinking\": true}")
                        .setAddGenerationPrompt(false)
                        .build();
        ManagedChannel channel =
                NettyChannelBuilder.forAddress("127.0.0.1", tiny.coordinator.port())
                        .usePlaintext()
                        .build();
        try {
            InferenceGrpc.newBlockingStub(channel)
                    .generate(InferenceRequest.newBuilder().setModel("tiny").setChat(chat).build())
                    .forEachRemaining(event -> {});
        } finally {
            channel.shutdownNow();
        }
        assertEquals(
                ids(RENDERED + " A thinking"),
                tiny.scheduler.nextCall().request().getPromptIdsList());
    }

    private static JsonNode refused(String path, String fields) throws Exception {
        HttpResponse<String> response = tiny.post(path, body(fields));
        assertEquals(400, response.statusCode(), response.body());
        return TestCoordinator.json(response.body()).get("error");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "messages[0].tool_calls | {'role':'assistant','tool_calls':{}} | must be an array",
                "messages[0].tool_calls | {'role':'user','content':'a','tool_calls':[{'function':{'name':'f'}}]} | it must be assistant",
                "messages[0].tool_calls[0].function | {'role':'assistant','tool_calls':[{}]} | is missing",
                "messages[0].tool_calls[0].function.name | {'role':'assistant','tool_calls':[{'function':{}}]} | is missing",
                "messages[0].tool_calls[0].type | {'role':'assistant','tool_calls':[{'type':'custom'}]} | only calls of type",
                "messages[0].tool_calls[0].function.arguments | {'role':'assistant','tool_calls':[{'function':{'name':'f','arguments':'{'}}]} | not valid JSON",
                "messages[0].tool_calls[0].function.arguments | {'role':'assistant','tool_calls':[{'function':{'name':'f','arguments':'{} {}'}}]} | not valid JSON",
                "messages[0].tool_calls[0].function.arguments | {'role':'assistant','tool_calls':[{'function':{'name':'f','arguments':'[1]'}}]} | must be the text of a JSON object",
                "messages[0].tool_calls[0].function.arguments | {'role':'assistant','tool_calls':[{'function':{'name':'f','arguments':3}}]} | must be an object",
                "messages[0].content | {'role':'tool','tool_call_id':'a'} | is missing",
                "messages[0].content | {'role':'assistant','content':null} | is missing",
                "messages[0].tool_call_id | {'role':'user','content':'a','tool_call_id':'b'} | it must be tool",
                "messages[0].reasoning_content | {'role':'user','content':'a','reasoning_content':'b'} | it must be assistant",
                "messages[0].function_call | {'role':'user','content':'a','function_call':{'name':'f'}} | it must be assistant",
            })
    void anInvalidMessageIsRefusedByItsField(String field, String message, String reason)
            throws Exception {
        for (String path : List.of(CHAT, "/apply-template", "/tokenize")) {
            JsonNode error = refused(path, "'messages':[" + message + "]");
            assertEquals(field, error.get("param").asText(), error.toString());
            assertTrue(error.get("message").asText().contains(reason), error.toString());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "documents[0] | 'documents':['a'] | must be an object",
                "documents | 'documents':'a' | must be an array",
                "chat_template_kwargs | 'chat_template_kwargs':[] | must be an object",
                "chat_template_kwargs | 'chat_template_kwargs':{'messages':[]} | cannot be given",
                "chat_template_kwargs.tools | 'chat_template_kwargs':{'tools':[]} | give it there only",
                "chat_template_kwargs.documents | 'documents':[{}],'chat_template_kwargs':{'documents':[]} | give it there only",
            })
    void anInvalidVariableIsRefusedByItsField(String field, String more, String reason)
            throws Exception {
        for (String path : List.of(CHAT, "/apply-template", "/tokenize")) {
            JsonNode error = refused(path, "'messages':[{'role':'user','content':'a'}]," + more);
            assertEquals(field, error.get("param").asText(), error.toString());
            assertTrue(error.get("message").asText().contains(reason), error.toString());
        }
    }

    /// Some kilobytes of text would become megabytes of values.
    @Test
    void argumentsThatNeedTooMuchMemoryAreRefused() throws Exception {
        var json = new EmbeddedJson();
        String heavy = "{\"a\":[" + "{},".repeat(30_000) + "1]}";
        int accepted = 0;
        try {
            for (; accepted < 100; accepted++) {
                json.object("arguments", heavy);
            }
        } catch (ApiError e) {
            assertEquals("arguments", e.param());
        }
        assertTrue(accepted > 0 && accepted < 10, accepted + " were accepted");
    }

    /// The template prints neither tool calls nor documents, so both would silently be missing.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for message in messages %}{{ message.role }}: {{ message.content }}{% endfor %}",
                "{% for message in messages %}{% if message.tool_calls and no %}{% endif %}{{ message.content }}{% endfor %}"
            })
    void whatATemplateDoesNotRenderIsRefused(String template) throws Exception {
        try (TestCoordinator plain = TestCoordinator.start(model(template))) {
            for (String path : List.of(CHAT, "/apply-template", "/tokenize")) {
                HttpResponse<String> calls = plain.post(path, body(HISTORY));
                assertEquals(400, calls.statusCode(), calls.body());
                JsonNode error = TestCoordinator.json(calls.body()).get("error");
                assertEquals("messages[1].tool_calls", error.get("param").asText());
                assertTrue(error.get("message").asText().contains("does not render it"));
                HttpResponse<String> documents =
                        plain.post(
                                path,
                                body(
                                        "'messages':[{'role':'user','content':'a'}],'documents':[{'title':'A'}]"));
                assertEquals(400, documents.statusCode(), documents.body());
                assertEquals(
                        "documents",
                        TestCoordinator.json(documents.body()).at("/error/param").asText());
            }
        }
    }

    @Test
    void aLoneSurrogateIsReplacedInEverythingThatIsRendered() throws Exception {
        JsonNode rendered =
                accepted(
                        "/apply-template",
                        "'messages':[{'role':'user','content':'a'}],'documents':[{'title':'x\\ud800y'}]");
        assertEquals("[user] a x\uFFFDy go", rendered.get("prompt").asText());
    }
}
