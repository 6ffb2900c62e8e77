// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests of the messages that items stand for, and of the names in errors.
final class ItemMessagesTest {
    private final ObjectNode chat = Json.object();
    private final ItemMessages conversation = new ItemMessages(chat);

    private JsonNode messages(String items) {
        Fields fields = Json.parse(("{\"input\":" + items + "}").getBytes(StandardCharsets.UTF_8));
        conversation.addInput(ResponseItems.parse(fields), 0);
        return chat.path("messages");
    }

    private static JsonNode json(String text) {
        return TestCoordinator.json(text);
    }

    private static final String TURN =
            """
            [{"role":"user","content":"Weather?"},
             {"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"Hm."}]},
             {"role":"assistant","content":"Wait."},
             {"type":"function_call","call_id":"c1","name":"f","arguments":"{\\"a\\":1}"},
             {"type":"function_call","call_id":"c2","name":"g","arguments":"{}"},
             {"type":"function_call_output","call_id":"c1","output":"sun"},
             {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"ra"},{"type":"input_text","text":"in"}]},
             {"role":"assistant","content":"Both."},
             {"role":"assistant","content":"Really."}]
            """;

    @Test
    void theItemsOfATurnAreOneMessage() {
        assertEquals(
                json(
                        """
                        [{"role":"user","content":"Weather?"},
                         {"role":"assistant","content":"Wait.","reasoning_content":"Hm.","tool_calls":[
                           {"id":"c1","type":"function","function":{"name":"f","arguments":"{\\"a\\":1}"}},
                           {"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]},
                         {"role":"tool","tool_call_id":"c1","content":"sun"},
                         {"role":"tool","tool_call_id":"c2","content":"rain"},
                         {"role":"assistant","content":"Both."},
                         {"role":"assistant","content":"Really."}]
                        """),
                messages(TURN));
    }

    @Test
    void aCallWithoutTextIsAMessageToo() {
        assertEquals(
                json(
                        """
                        [{"role":"user","content":"x"},
                         {"role":"assistant","content":"","tool_calls":[
                           {"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]}]
                        """),
                messages(
                        """
                        [{"role":"user","content":"x"},
                         {"type":"function_call","call_id":"c1","name":"f","arguments":"{}"}]
                        """));
    }

    @ParameterizedTest
    @CsvSource({
        "messages, input",
        "messages[0].content, input[0]",
        "messages[1].tool_calls[1].function.arguments, input[4].arguments",
        "messages[1].reasoning_content, input[1]",
        "messages[3].content, input[6]",
        "max_completion_tokens, max_output_tokens",
        "response_format.json_schema.schema.properties.a, text.format.schema.properties.a",
        "response_format.type, text.format.type",
        "tools[2].function.name, tools[2].name",
        "tool_choice.function.name, tool_choice.name",
        "reasoning_effort, reasoning.effort",
        "temperature, temperature",
    })
    void errorsHaveTheNamesOfTheRequest(String chatName, String own) {
        messages(TURN);
        ApiError error =
                assertThrows(
                        ApiError.class,
                        () ->
                                new ChatNames(conversation)
                                        .translate(
                                                () -> {
                                                    throw ApiError.invalid(
                                                            chatName, chatName + " is wrong");
                                                }));
        assertEquals(own, error.param());
        assertEquals(own + " is wrong", error.message());
    }
}
