// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ModelTemplate;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests of `continue_final_message` and `add_generation_prompt`.
final class ContinuedMessageTest {
    private static final String FORMAT =
            "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</>{% endfor %}"
                    + "{% if add_generation_prompt %}<assistant>{% endif %}";

    private static HttpResponse<String> prompt(String template, String body) throws Exception {
        ServedModel model =
                Models.templated(
                        TestCoordinator.tinyModel(),
                        new ModelTemplate.Usable(ChatTemplate.parse(template, "", "")));
        try (TestCoordinator tiny = TestCoordinator.start(model)) {
            return tiny.post("/apply-template", body.replace('\'', '"'));
        }
    }

    private static String body(String last, String more) {
        return "{'model':'tiny','messages':[{'role':'user','content':'Hi'},"
                + last
                + "]"
                + more
                + "}";
    }

    @Test
    void thePromptEndsWithTheContentOfTheLastMessage() throws Exception {
        String last = "{'role':'assistant','content':'The answer is '}";
        HttpResponse<String> response =
                prompt(FORMAT, body(last, ",'continue_final_message':true"));
        assertEquals(
                "<user>Hi</><assistant>The answer is ",
                TestCoordinator.json(response.body()).get("prompt").asText());
        response =
                prompt(
                        FORMAT,
                        body(last, ",'continue_final_message':true,'add_generation_prompt':false"));
        assertEquals(200, response.statusCode());
    }

    @Test
    void theGenerationPromptCanBeLeftOut() throws Exception {
        HttpResponse<String> response =
                prompt(
                        FORMAT,
                        body("{'role':'user','content':'Go'}", ",'add_generation_prompt':false"));
        assertEquals(
                "<user>Hi</><user>Go</>",
                TestCoordinator.json(response.body()).get("prompt").asText());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'role':'user','content':'a'} | '' | messages[1]",
                "{'role':'assistant','content':'a'} | 'add_generation_prompt':true | add_generation_prompt",
                "{'role':'assistant','content':'','tool_calls':[{'id':'1','type':'function','function':{'name':'f','arguments':'{}'}}]} | '' | messages[1]"
            })
    void whatCannotBeContinuedIsRefused(String last, String more, String field) throws Exception {
        String rest = more.equals("''") ? "" : "," + more;
        HttpResponse<String> response =
                prompt(FORMAT, body(last, ",'continue_final_message':true" + rest));
        assertEquals(400, response.statusCode(), response.body());
        JsonNode error = TestCoordinator.json(response.body()).get("error");
        assertEquals(field, error.get("param").asText(), response.body());
    }

    @Test
    void aTemplateThatDoesNotShowTheMessageOnceIsRefused() throws Exception {
        for (String template : new String[] {"nothing", FORMAT + FORMAT}) {
            HttpResponse<String> response =
                    prompt(
                            template,
                            body(
                                    "{'role':'assistant','content':'a'}",
                                    ",'continue_final_message':true"));
            assertEquals(400, response.statusCode());
            assertTrue(response.body().contains("continue_final_message"), response.body());
        }
    }
}
