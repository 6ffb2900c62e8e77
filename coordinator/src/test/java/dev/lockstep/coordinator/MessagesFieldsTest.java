// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests which chat a body of Anthropic's API means.
final class MessagesFieldsTest {
    private static final String HELLO =
            "'max_tokens':9,'messages':[{'role':'user','content':'Hi'}]";

    private static Fields fields(String body) {
        return Json.parse(("{" + body.replace('\'', '"') + "}").getBytes(StandardCharsets.UTF_8));
    }

    private static void assertMeans(String chat, String body) {
        assertEquals(fields(chat).node(), MessagesFields.message(fields(body)).node());
    }

    private static void assertAdds(String more, String added) {
        assertMeans(
                "'messages':[{'role':'user','content':'Hi'}],'max_tokens':9," + more,
                HELLO + "," + added);
    }

    @Test
    void aConversationWithToolsBecomesMessagesOfAChat() {
        assertMeans(
                """
                'messages':[{'role':'system','content':'Be kind. Be short.'},
                {'role':'user','content':'Weather and time?'},
                {'role':'assistant','content':'I look.','reasoning_content':'hm','tool_calls':[
                {'id':'a','type':'function','function':{'name':'weather','arguments':{'city':'Oslo'}}},
                {'id':'b','type':'function','function':{'name':'now','arguments':{}}}]},
                {'role':'tool','content':'cold','tool_call_id':'a','name':'weather'},
                {'role':'tool','content':'Error: no clock','tool_call_id':'b','name':'now'},
                {'role':'user','content':'Well?'}],'max_tokens':9""",
                """
                'max_tokens':9,'system':[{'type':'text','text':'Be kind. ','cache_control':{'type':'ephemeral'}},
                {'type':'text','text':'Be short.'}],
                'messages':[{'role':'user','content':[{'type':'text','text':'Weather '},{'type':'text','text':'and time?'}]},
                {'role':'assistant','content':[{'type':'thinking','thinking':'hm','signature':'x'},
                {'type':'redacted_thinking','data':'eA=='},{'type':'text','text':'I look.'},
                {'type':'tool_use','id':'a','name':'weather','input':{'city':'Oslo'}},
                {'type':'tool_use','id':'b','name':'now','input':{}}]},
                {'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':'cold'},
                {'type':'tool_result','tool_use_id':'b','is_error':true,'content':[{'type':'text','text':'no clock'}]},
                {'type':'text','text':'Well?'}]}]""");
    }

    @Test
    void aLastMessageOfTheAssistantIsContinued() {
        assertMeans(
                """
                'messages':[{'role':'user','content':'Hi'},{'role':'assistant','content':'Well,'}],
                'add_generation_prompt':false,'continue_final_message':true,'max_tokens':9""",
                """
                'max_tokens':9,'messages':[{'role':'user','content':'Hi'},
                {'role':'assistant','content':[{'type':'text','text':'Well,'}]}]""");
    }

    @Test
    void fieldsHaveTheNamesOfAChat() {
        assertMeans(
                """
                'messages':[{'role':'user','content':'Hi'}],'model':'m','stream':true,'cache_salt':'s',
                'temperature':0.5,'top_p':0.9,'top_k':7,'max_tokens':9,'stop':['a','b']""",
                """
                'model':'m','stream':true,'temperature':0.5,'top_p':0.9,'top_k':7,'stop_sequences':['a','b'],
                'metadata':{'user_id':'me'},'cache_salt':'s','n':3,'mcp_servers':[],"""
                        + HELLO);
        assertAdds(
                "'tools':[{'type':'function','function':{'name':'f','description':'d',"
                        + "'parameters':{'type':'object'}}}],'tool_choice':'required',"
                        + "'parallel_tool_calls':false",
                "'tools':[{'name':'f','description':'d','input_schema':{'type':'object'},'cache_control':{}}],"
                        + "'tool_choice':{'type':'any','disable_parallel_tool_use':true}");
        assertAdds(
                "'tools':[{'type':'function','function':{'name':'f','parameters':{},'strict':true}}],"
                        + "'tool_choice':{'type':'function','function':{'name':'f'}}",
                "'tools':[{'type':'custom','name':'f','input_schema':{},'strict':true}],"
                        + "'tool_choice':{'type':'tool','name':'f'}");
        assertAdds(
                "'chat_template_kwargs':{'enable_thinking':true,'thinking':true},'thinking_token_budget':5",
                "'thinking':{'type':'enabled','budget_tokens':5}");
        assertAdds(
                "'chat_template_kwargs':{'thinking':true,'enable_thinking':false}",
                "'chat_template_kwargs':{'thinking':true},'thinking':{'type':'disabled'}");
        assertAdds(
                "'response_format':{'type':'json_schema','json_schema':{'name':'output','strict':true,"
                        + "'schema':{'type':'object'}}},'reasoning_effort':'low'",
                "'output_config':{'effort':'low','format':{'type':'json_schema','schema':{'type':'object'}}}");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'messages':[{'role':'user','content':'Hi'}] | max_tokens | max_tokens is missing",
                "'max_tokens':0 | max_tokens | max_tokens is 0",
                "'max_tokens':9 | messages | messages is missing",
                "'max_tokens':9,'messages':[] | messages | messages is empty",
                "'max_tokens':9,'messages':[{'role':'system','content':'x'}] | | {user, assistant}",
                "'max_tokens':9,'messages':[{'role':'user'}] | | messages[0].content must be text",
                "'max_tokens':9,'messages':[{'role':'user','content':[{'type':'image','source':{}}]}] "
                        + "| messages[0].content[0].type | \"image\"",
                "'max_tokens':9,'messages':[{'role':'user','content':[{'type':'tool_use'}]}] "
                        + "| messages[0].content[0].type | \"tool_use\"",
                "'max_tokens':9,'messages':[{'role':'user','content':[{'type':'tool_result','tool_use_id':'a',"
                        + "'content':[{'type':'document'}]}]}] "
                        + "| messages[0].content[0].content[0].type | \"document\"",
                "'max_tokens':9,'messages':[{'role':'assistant','content':[{'type':'tool_use','name':'f'}]}] "
                        + "| messages[0].content[0].id | is missing",
            })
    void aConversationThatCannotBeServedIsRefusedByName(String body, String param, String part) {
        assertRefused(param, part, body);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'stop_sequences':['a',''] | stop_sequences[1] | is empty",
                "'stop_sequences':'a' | stop_sequences | must be an array",
                "'mcp_servers':[{}] | mcp_servers | not served",
                "'container':'c' | container | not served",
                "'metadata':'me' | metadata | must be an object",
                "'tools':[{'type':'web_search_20250305','name':'w'}] | tools[0].type | web_search",
                "'tools':[{'name':'f'}] | tools[0].input_schema | is missing",
                "'tool_choice':{'type':'any'} | tool_choice | tools is empty",
                "'tool_choice':{'type':'all'},'tools':[{'name':'f','input_schema':{}}] | tool_choice.type | {auto, any",
                "'thinking':{'type':'enabled','budget_tokens':9} | thinking.budget_tokens | less than max_tokens",
                "'thinking':{'type':'enabled'} | thinking.budget_tokens | is missing",
                "'thinking':{'type':'on'} | thinking.type | {enabled, disabled, adaptive}",
                "'output_format':{'type':'xml'} | output_format.type | {json_schema}",
            })
    void aFieldThatCannotBeServedIsRefusedByName(String field, String param, String part) {
        assertRefused(param, part, HELLO + "," + field);
    }

    private static void assertRefused(String param, String part, String body) {
        ApiError error = assertThrows(ApiError.class, () -> MessagesFields.message(fields(body)));
        assertTrue(error.message().contains(part.replace("\\\"", "\"")), error.message());
        if (param != null) {
            assertEquals(param, error.param(), error.message());
        }
        assertEquals(400, error.status());
    }
}
