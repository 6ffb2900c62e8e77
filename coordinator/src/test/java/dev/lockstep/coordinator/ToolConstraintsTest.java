// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.TextMatcher;
import dev.lockstep.proto.v1.TextConstraint;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Tests of the constraints that tools put on the answers of `/v1/chat/completions`.
final class ToolConstraintsTest {
    private static final String WEATHER =
            """
            {"type":"function","function":{"name":"weather","parameters":{"type":"object",
            "properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"],
            "additionalProperties":false}}}""";
    private static final String TIME =
            """
            {"type":"function","function":{"name":"time","parameters":{"type":"object",
            "properties":{"zone":{"type":"string"}},"required":["zone"],"additionalProperties":false}}}""";
    private static final String TOOLS = "\"tools\":[" + WEATHER + "," + TIME + "]";

    private static TestCoordinator server;

    @BeforeAll
    static void start() throws Exception {
        server = CallTemplates.MARKED.start();
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    /// Returns the matcher of the constraint of a request with these fields.
    private static TextMatcher constraint(String fields) throws Exception {
        server.generate(GOOD);
        server.chat(fields);
        TextConstraint constraint =
                TextConstraint.parseFrom(server.scheduler.nextCall().request().getConstraint());
        return CompiledGrammar.decode(constraint.getGrammar().toByteArray(), GrammarLimits.DEFAULT)
                .text();
    }

    private static boolean matches(TextMatcher matcher, String text) {
        matcher.reset();
        return matcher.matches(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String call(String name, String arguments) {
        return "<tool_call>\n{\"name\": \"%s\", \"arguments\": %s}\n</tool_call>"
                .formatted(name, arguments);
    }

    private static final String GOOD = call("weather", "{\"city\":\"Oslo\"}");
    private static final String BAD = call("weather", "{\"town\":\"Oslo\"}");
    private static final String OTHER = call("time", "{\"zone\":\"UTC\"}");

    @Test
    void anAnswerThatMustCallIsConstrained() throws Exception {
        TextMatcher required = constraint(TOOLS + ",\"tool_choice\":\"required\"");
        assertTrue(matches(required, GOOD));
        assertTrue(matches(required, GOOD + "\n" + OTHER));
        assertTrue(matches(required, "<think>\nHm\n</think>\n\n" + OTHER));
        assertFalse(matches(required, BAD));
        assertFalse(matches(required, "Hello"));
        TextMatcher one =
                constraint(TOOLS + ",\"tool_choice\":\"required\",\"parallel_tool_calls\":false");
        assertTrue(matches(one, OTHER));
        assertFalse(matches(one, GOOD + "\n" + OTHER));
    }

    @Test
    void aNamedFunctionIsTheOnlyOne() throws Exception {
        TextMatcher named =
                constraint(
                        TOOLS
                                + ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"weather\"}}");
        assertTrue(matches(named, GOOD));
        assertFalse(matches(named, OTHER));
    }

    @Test
    void allowedToolsAreTheOnlyOnes() throws Exception {
        TextMatcher allowed =
                constraint(
                        TOOLS
                                + """
                                ,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required",
                                "tools":[{"type":"function","function":{"name":"weather"}}]}}""");
        assertTrue(matches(allowed, GOOD));
        assertFalse(matches(allowed, OTHER));
    }

    @Test
    void aCallIsConstrainedOnceItHasBegun() throws Exception {
        TextMatcher auto = constraint(TOOLS);
        assertTrue(matches(auto, "Hello there."));
        assertTrue(matches(auto, "Hello\n" + GOOD + "\n" + OTHER));
        assertFalse(matches(auto, "Hello\n" + BAD));
        assertFalse(matches(auto, call("unknown", "{}")));
    }

    @Test
    void anAnswerThatDoesNotCallHasItsFormat() throws Exception {
        TextMatcher both =
                constraint(
                        TOOLS
                                + """
                                ,"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"integer"}}}""");
        assertTrue(matches(both, "17"));
        assertTrue(matches(both, GOOD));
        assertFalse(matches(both, "Hello"));
        assertFalse(matches(both, BAD));
    }

    @Test
    void aFormatBeginsBehindTheReasoning() throws Exception {
        TextMatcher format =
                constraint(
                        """
                        "response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"integer"}}}""");
        assertTrue(matches(format, "17"));
        assertTrue(matches(format, "<think>\nHm\n</think>\n\n17"));
        assertFalse(matches(format, "<think>\nHm\n</think>\n\nno"));
    }

    private static final String UNENFORCED =
            """
            {"type":"function","function":{"name":"weather",%s"parameters":{"type":"object",
            "properties":{"city":{"type":"string"}},"unevaluatedProperties":{"type":"string"}}}}""";

    @Test
    void aSchemaThatCannotBeEnforcedIsRefusedOnlyWhereItMustBe() throws Exception {
        String tools = "\"tools\":[" + UNENFORCED.formatted("") + "]";
        server.generate("A.\n" + call("weather", "{\"city\": }") + " B.");
        JsonNode response = server.chat(tools);
        assertTrue(server.scheduler.nextCall().request().getConstraint().isEmpty());
        assertEquals(
                "A.\n" + call("weather", "{\"city\": }") + " B.",
                response.at("/choices/0/message/content").asText());
        for (String fields :
                List.of(
                        tools + ",\"tool_choice\":\"required\"",
                        "\"tools\":[" + UNENFORCED.formatted("\"strict\":true,") + "]")) {
            HttpResponse<String> refused =
                    server.post("/v1/chat/completions", TestCoordinator.chatBody(fields));
            assertEquals(400, refused.statusCode(), refused.body());
            JsonNode error = TestCoordinator.json(refused.body()).get("error");
            assertEquals("tools", error.get("param").asText());
            assertTrue(
                    error.get("message").asText().contains("unevaluatedProperties"),
                    refused.body());
        }
    }
}
