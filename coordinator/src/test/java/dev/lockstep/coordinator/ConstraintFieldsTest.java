// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.protobuf.ByteString;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.TextMatcher;
import dev.lockstep.proto.v1.TextConstraint;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Every field that constrains the text reaches the scheduler as a grammar, or is refused by name.
final class ConstraintFieldsTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String COMPLETIONS = "/v1/completions";
    private static final String AGE =
            "{'type':'object','properties':{'age':{'type':'integer'}},'required':['age'],'additionalProperties':false}";
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    @BeforeEach
    void respondToAllRequests() {
        tiny.scheduler.behave(call -> call.finishByLength(0));
    }

    private static ByteString constraint(String path, String body) throws Exception {
        HttpResponse<String> response = tiny.post(path, body);
        assertEquals(200, response.statusCode(), response.body());
        return tiny.scheduler.nextCall().request().getConstraint();
    }

    private static String chat(String fields) {
        return TestCoordinator.chatBody(fields.replace('\'', '"'));
    }

    private static TextMatcher matcher(ByteString constraint) throws Exception {
        return CompiledGrammar.decode(
                        TextConstraint.parseFrom(constraint).getGrammar().toByteArray(),
                        GrammarLimits.DEFAULT)
                .text();
    }

    private static boolean matches(TextMatcher matcher, String text) {
        return matcher.matches(text.replace('\'', '"').getBytes(StandardCharsets.UTF_8));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'response_format':{'type':'json_object'} | {'b':[1]} | [1]",
                "'response_format':{'type':'json_schema','json_schema':{'name':'a','strict':false,'schema':AGE}} | {'age':3} | {'age':'3'}",
                "'response_format':{'type':'json_object','schema':AGE} | {'age':3} | {}",
                "'response_format':{'type':'structural_tag','structures':[{'begin':'<a>','schema':AGE,'end':'</a>'}],'triggers':['<a']} | so <a>{'age':3}</a> it is | so <a>{'age':'x'}</a>",
                "'response_format':{'type':'structural_tag','format':{'type':'tag','begin':'<a>','content':{'type':'any_text'},'end':'</a>'}} | <a>b</a> | <a>b",
                "'response_format':{'type':'structural_tag','format':{'type':'tags_with_separator','separator':',','at_least_one':true,'tags':[{'begin':'(','content':{'type':'regex','pattern':'a+'},'end':')'}]}} | (a),(aa) | (a)(aa)",
                "'response_format':{'type':'structural_tag','format':{'type':'sequence','elements':[{'type':'const_string','value':'a'},{'type':'or','elements':[{'type':'json_schema','json_schema':AGE},{'type':'const_string','value':'b'}]}]}} | ab | a",
                "'structured_outputs':{'json':AGE} | {'age':3} | {'age': 3}",
                "'structured_outputs':{'json':'{\\'type\\':\\'null\\'}'} | null | 1",
                "'structured_outputs':{'json':AGE,'whitespace':'flexible'} | { 'age': 3 } | { }",
                "'structured_outputs':{'json_object':true,'regex':null} | {} | 1",
                "'structured_outputs':{'regex':'[0-9]+a'} | 12a | 12",
                "'structured_outputs':{'choice':['yes','no']} | no | nope",
                "'structured_outputs':{'grammar':'root ::= [0-9]+'} | 12 | a",
                "'structured_outputs':{'grammar':'start: /[0-9]+/'} | 12 | a",
                "'structured_outputs':{'structural_tag':{'structures':[{'begin':'<a>','schema':{},'end':'</a>'}],'triggers':['<a>']}} | <a>1</a> | <a>",
                "'guided_json':AGE | {'age':3} | 3",
                "'guided_json':AGE,'whitespace':'flexible' | {'age' :3} | 3",
                "'guided_regex':'[ab]' | b | ab",
                "'guided_choice':['a','b'] | a | c",
                "'guided_grammar':'root ::= \\'a\\'' | a | b",
                "'json_schema':AGE | {'age':3} | 3",
                "'grammar':'root ::= \\'a\\'' | a | b",
                "'regex':'[ab]' | b | ab",
                "'ebnf':'root ::= \\'a\\'' | a | b"
            })
    void aConstraintTravelsAsAGrammar(String fields, String accepted, String refused)
            throws Exception {
        String body = fields.replace("AGE", AGE).replace("\\'", "\\\"");
        TextMatcher matcher = matcher(constraint(CHAT, chat(body)));
        assertTrue(matches(matcher, accepted), accepted);
        assertFalse(matches(matcher, refused), refused);
    }

    @Test
    void completionsHaveTheSameFields() throws Exception {
        String body =
                "{\"model\":\"tiny\",\"prompt\":\"a\",\"structured_outputs\":{\"regex\":\"b\"}}";
        assertTrue(matches(matcher(constraint(COMPLETIONS, body)), "b"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'response_format':{'type':'text'}",
                "'response_format':null,'guided_json':null",
                "'grammar':'','regex':''",
                "'whitespace':'flexible'"
            })
    void aRequestWithoutAConstraintHasNone(String fields) throws Exception {
        assertEquals(ByteString.EMPTY, constraint(CHAT, chat(fields)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'response_format':'json' | response_format | must be an object",
                "'response_format':{'type':'xml'} | response_format.type | json_schema",
                "'response_format':{'type':'json_schema'} | response_format.json_schema | missing",
                "'response_format':{'type':'json_schema','json_schema':{'name':'a'}} | response_format.json_schema.schema | missing",
                "'response_format':{'type':'json_schema','json_schema':{'name':'a','schema':{'properties':{'b':{'$ref':'http://x'}}}}} | response_format.json_schema.schema | '$ref' at",
                "'response_format':{'type':'structural_tag','structures':[],'triggers':['a']} | response_format.type | structures",
                "'response_format':{'type':'structural_tag','format':{'type':'qwen'}} | response_format.type | format.type is \"qwen\"",
                "'structured_outputs':{} | structured_outputs | none of",
                "'structured_outputs':{'regex':'(a'} | structured_outputs.regex | position",
                "'structured_outputs':{'regex':'(a)\\\\1'} | structured_outputs.regex | position",
                "'structured_outputs':{'regex':3} | structured_outputs.regex | must be text",
                "'structured_outputs':{'choice':[]} | structured_outputs.choice | 0 texts",
                "'structured_outputs':{'choice':[1]} | structured_outputs.choice[0] | must be text",
                "'structured_outputs':{'grammar':'root ::= nothing'} | structured_outputs.grammar | line 1",
                "'structured_outputs':{'json':'{'} | structured_outputs.json | '$schema' at",
                "'structured_outputs':{'json':[]} | structured_outputs.json | JSON Schema",
                "'structured_outputs':{'json':false} | structured_outputs.json | ",
                "'structured_outputs':{'json':{},'regex':'a'} | structured_outputs.regex | give one",
                "'structured_outputs':{'json':{},'whitespace_pattern':' '} | structured_outputs.whitespace_pattern | use whitespace",
                "'structured_outputs':{'json':{},'whitespace':'none'} | structured_outputs.whitespace | compact",
                "'response_format':{'type':'json_object'},'guided_regex':'a' | guided_regex | response_format",
                "'guided_json':{},'json_schema':{} | json_schema | guided_json",
                "'guided_json':{'type':'string','pattern':'(?<=a)b'} | guided_json | 'pattern' at",
                "'grammar_lazy':true | grammar_lazy | not served",
                "'guided_decoding_backend':'outlines' | guided_decoding_backend | not served"
            })
    void whatCannotBeEnforcedIsRefusedByNameAndPlace(String fields, String param, String why)
            throws Exception {
        HttpResponse<String> response = tiny.post(CHAT, chat(fields));
        assertEquals(400, response.statusCode(), response.body());
        JsonNode error = TestCoordinator.json(response.body()).get("error");
        assertEquals("invalid_request_error", error.get("type").asText());
        assertEquals(param, error.get("param").asText(), response.body());
        if (why != null) {
            String message = error.get("message").asText();
            assertTrue(message.contains(why) && message.contains(param), message);
        }
        assertFalse(tiny.scheduler.hasCalls(), "the scheduler received the request");
    }

    @Test
    void tenantsShareNothing() throws Exception {
        String body = chat("'guided_regex':'a{3}'");
        ByteString none = constraint(CHAT, body);
        assertEquals(none, constraint(CHAT, body));
        HttpRequest other =
                HttpRequest.newBuilder(tiny.uri(CHAT))
                        .header(RequestContext.TENANT, "b")
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build();
        tiny.client.send(other, HttpResponse.BodyHandlers.ofString());
        ByteString ofB = tiny.scheduler.nextCall().request().getConstraint();
        assertNotEquals(none, ofB);
        assertEquals(
                TextConstraint.parseFrom(none).getGrammar(),
                TextConstraint.parseFrom(ofB).getGrammar());
        assertNotEquals(
                TextConstraint.parseFrom(none).getDomain(),
                TextConstraint.parseFrom(ofB).getDomain());
    }
}
