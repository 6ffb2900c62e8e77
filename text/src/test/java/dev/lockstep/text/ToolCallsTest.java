// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.junit.jupiter.api.Test;

final class ToolCallsTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    private static String arguments(String written) throws JsonProcessingException {
        var message =
                (ObjectNode)
                        JSON.readTree(
                                "{\"tool_calls\":[{\"function\":{\"name\":\"f\"%s}}]}"
                                        .formatted(written));
        String before = message.toString();
        ObjectNode parsed = ToolCalls.parsed(message);
        assertEquals(before, message.toString());
        return parsed.at("/tool_calls/0/function/arguments").toString();
    }

    @Test
    void argumentsBecomeAnObject() throws JsonProcessingException {
        assertEquals("{\"a\":[1]}", arguments(",\"arguments\":\"{\\\"a\\\": [1]}\""));
        assertEquals("{\"a\":1}", arguments(",\"arguments\":{\"a\":1}"));
        assertEquals(
                "{\"a\":12345678901234567890}",
                arguments(",\"arguments\":\"{\\\"a\\\":12345678901234567890}\""));
    }

    @Test
    void aCallWithoutArgumentsHasAnEmptyObject() throws JsonProcessingException {
        for (String written :
                new String[] {
                    "",
                    ",\"arguments\":\"\"",
                    ",\"arguments\":\"  \"",
                    ",\"arguments\":null",
                    ",\"arguments\":\"null\""
                }) {
            assertEquals("{}", arguments(written), written);
        }
    }

    @Test
    void argumentsThatAreNoObjectAreRefused() {
        for (String written :
                new String[] {
                    "\"[1]\"",
                    "\"3\"",
                    "\"\\\"text\\\"\"",
                    "[1]",
                    "3",
                    "true",
                    "\"{\"",
                    "\"{} {}\"",
                    "\"{'a': 1}\""
                }) {
            IllegalArgumentException refusal =
                    assertThrows(
                            IllegalArgumentException.class,
                            () -> arguments(",\"arguments\":" + written),
                            written);
            assertTrue(
                    String.valueOf(refusal.getMessage())
                            .startsWith("arguments of a tool call are "),
                    refusal::getMessage);
        }
    }
}
