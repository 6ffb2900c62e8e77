// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests which chat or completion a body of Ollama's API means.
final class OllamaFieldsTest {
    private static final String HELLO = "'messages':[{'role':'user','content':'Hi'}]";

    private static Fields fields(String body) {
        return Json.parse(("{" + body.replace('\'', '"') + "}").getBytes(StandardCharsets.UTF_8));
    }

    private static void assertChat(String chat, String body) {
        assertEquals(fields(chat).node(), OllamaFields.chat(fields(body), "m").node());
    }

    private static void assertAdds(String more, String added) {
        assertChat("'model':'m','stream':true," + HELLO + more, HELLO + added);
    }

    @Test
    void aConversationWithToolsBecomesMessagesOfAChat() {
        assertChat(
                """
                'model':'m','stream':false,'messages':[{'role':'system','content':'Be kind.'},
                {'role':'user','content':'Weather and time?'},
                {'role':'assistant','content':'','reasoning_content':'hm','tool_calls':[
                {'id':'call_0','type':'function','function':{'name':'weather','arguments':{'city':'Oslo'}}},
                {'id':'own','type':'function','function':{'name':'now','arguments':{}}}]},
                {'role':'tool','content':'10:00','name':'now','tool_call_id':'own'},
                {'role':'tool','content':'cold','name':'weather','tool_call_id':'call_0'}],
                'tools':[{'type':'function','function':{'name':'now'}}]""",
                """
                'model':'m:latest','stream':false,'messages':[{'role':'system','content':'Be kind.'},
                {'role':'user','content':'Weather and time?'},
                {'role':'assistant','thinking':'hm','tool_calls':[
                {'function':{'name':'weather','arguments':{'city':'Oslo'}}},{'id':'own','function':{'name':'now'}}]},
                {'role':'tool','tool_name':'now','content':'10:00'},
                {'role':'tool','content':'cold'}],'tools':[{'type':'function','function':{'name':'now'}}]""");
    }

    @Test
    void optionsHaveTheNamesOfAChat() {
        assertAdds(
                ",'temperature':0.5,'seed':7,'stop':'a','repetition_penalty':1.1,'max_tokens':9",
                ",'keep_alive':'5m','options':{'temperature':0.5,'seed':7,'stop':'a','repeat_penalty':1.1,"
                        + "'num_predict':9,'num_ctx':4096,'num_gpu':1,'mirostat':0,'n':3}");
        assertAdds("", ",'options':{'num_predict':-1}");
        assertAdds("", ",'format':'','think':null,'images':[]");
        assertAdds(",'response_format':{'type':'json_object'}", ",'format':'json'");
        assertAdds(
                ",'response_format':{'type':'json_schema','json_schema':{'name':'format','strict':true,"
                        + "'schema':{'type':'object'}}}",
                ",'format':{'type':'object'}");
        assertAdds(
                ",'chat_template_kwargs':{'enable_thinking':false,'thinking':false}",
                ",'think':false");
        assertAdds(
                ",'reasoning_effort':'low','chat_template_kwargs':{'enable_thinking':true,'thinking':true}",
                ",'think':'low'");
    }

    @Test
    void logProbabilitiesAreThoseOfTheChatOrTheCompletion() {
        assertAdds(",'logprobs':true,'top_logprobs':3", ",'logprobs':true,'top_logprobs':3");
        assertAdds("", ",'logprobs':false");
        assertEquals(
                fields(
                                "'model':'m','stream':true,'prompt':'Hi','logprobs':3,'max_tokens':2147483647")
                        .node(),
                OllamaFields.raw(
                                fields("'prompt':'Hi','raw':true,'logprobs':true,'top_logprobs':3"),
                                "m")
                        .node());
        assertEquals(
                0,
                OllamaFields.raw(fields("'prompt':'Hi','logprobs':true"), "m")
                        .node()
                        .path("logprobs")
                        .asInt(-1));
    }

    @Test
    void aPromptBecomesAMessageOfTheUser() {
        assertEquals(
                fields(
                                "'model':'m','stream':true,'messages':[{'role':'system','content':'Be kind.'},"
                                        + "{'role':'user','content':'Hi'}]")
                        .node(),
                OllamaFields.prompt(fields("'prompt':'Hi','system':'Be kind.'"), "m").node());
    }

    @Test
    void aRawPromptBecomesACompletionWithoutALimit() {
        assertEquals(
                fields("'model':'m','stream':true,'prompt':'Hi','max_tokens':2147483647").node(),
                OllamaFields.raw(fields("'prompt':'Hi','raw':true"), "m").node());
        assertEquals(
                fields("'model':'m','stream':true,'prompt':'Hi','suffix':'!','max_tokens':4")
                        .node(),
                OllamaFields.raw(
                                fields("'prompt':'Hi','suffix':'!','options':{'num_predict':4}"),
                                "m")
                        .node());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'messages':[{'role':'robot'}] | messages[0].role | {system, user",
                "'messages':[{'role':'user','images':['x']}] | messages[0].images | only text",
                "'messages':[{'role':'assistant','tool_calls':[{}]}] | messages[0].tool_calls[0].function | missing",
                "'images':['x'] | images | only text",
                "'options':{'num_predict':-3} | options.num_predict | [-2, ",
                "'options':{'mirostat':1} | options.mirostat | not served",
                "'options':7 | options | must be an object",
                "'format':'xml' | format | {json}",
                "'think':'much' | think | {true, false, low, medium, high}",
                "'logprobs':1 | logprobs | true or false",
            })
    void aFieldThatCannotBeServedIsRefusedByName(String body, String param, String part) {
        ApiError error = assertThrows(ApiError.class, () -> OllamaFields.chat(fields(body), "m"));
        assertTrue(error.message().contains(part), error.message());
        assertEquals(param, error.param());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'template':'x' | template",
                "'context':[1] | context",
                "'raw':true,'system':'x' | system",
                "'suffix':'a','system':'x' | system",
            })
    void aFieldOfAPromptThatCannotBeServedIsRefusedByName(String body, String param) {
        ApiError error =
                assertThrows(ApiError.class, () -> OllamaFields.refuseInPrompts(fields(body)));
        assertEquals(param, error.param());
    }
}
