// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.TextMatcher;
import dev.lockstep.grammar.schema.Layout;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class ToolGrammarTest {
    private static final Clock CLOCK =
            Clock.fixed(Instant.parse("2026-01-15T12:00:00Z"), ZoneOffset.UTC);
    private static final Map<String, JsonNode> FUNCTIONS =
            Map.of(
                    "find",
                    RenderedAnswers.json(
                            """
                            {"type": "object", "required": ["s"], "additionalProperties": false,
                             "properties": {"s": {"type": "string"}, "n": {"type": "integer"},
                               "e": {"enum": ["on", "off"]}}}
                            """),
                    "clock",
                    RenderedAnswers.json(
                            "{\"type\": \"object\", \"additionalProperties\": false}"));

    private static final String HERMES =
            """
            {"tools": {"content_separator": "\\n", "call_begin": "<tool_call>\\n",
               "call": {"json": {"keys": ["name", "arguments"], "name": "name",
                 "arguments": "arguments"}},
               "call_end": "\\n</tool_call>", "separator": "\\n"}}
            """;
    private static final String TAGGED =
            """
            {"tools": {"call_begin": "<tool_call>\\n<function=",
               "call": {"pieces": ["NAME", ">"], "arguments": {"form": "tagged",
                 "begin": "\\n<parameter=",
                 "values": [{"opening": ">\\n", "closing": "\\n</parameter>"}]}},
               "call_end": "\\n</function>\\n</tool_call>", "separator": "\\n"}}
            """;
    private static final String BARE =
            """
            {"tools": {"call": {"json": {"keys": ["name", "parameters"], "name": "name",
               "arguments": "parameters"}}, "anywhere": false, "parallel": false}}
            """;

    /// One template for each way to write calls.
    private static final List<String> FAMILIES =
            List.of(
                    "Apertus-8B-Instruct",
                    "Cohere2MoE",
                    "GLM-4.6",
                    "LFM2.5-8B-A1B",
                    "Mistral-Small-3.2-24B-Instruct-2506",
                    "Qwen3-Coder",
                    "deepseek-ai-DeepSeek-V3.2",
                    "google-gemma-4-31B-it",
                    "meta-llama-Llama-3.1-8B-Instruct",
                    "muse-glimmer",
                    "openbmb-MiniCPM5-1B",
                    "upstage-Solar-Open-100B");

    private static ToolFormat format(String file) {
        return FormatFile.parse("a file", file).tools().orElseThrow();
    }

    private static ToolFormat format(RenderedAnswers answers) {
        return answers.format().tools().orElseThrow();
    }

    private static boolean accepts(Grammar grammar, String text) {
        TextMatcher matcher = CompiledGrammar.compile(grammar, GrammarLimits.DEFAULT).text();
        return matcher.matches(text.getBytes(StandardCharsets.UTF_8));
    }

    private static boolean required(String file, String text) {
        return accepts(
                ToolGrammar.required(format(file), FUNCTIONS, true, Map.of(), Layout.COMPACT),
                text);
    }

    private static boolean auto(String file, String text) {
        return accepts(
                ToolGrammar.auto(format(file), FUNCTIONS, true, Map.of(), Layout.COMPACT), text);
    }

    private static String call(String name, String arguments) {
        return "<tool_call>\n{\"name\": \"%s\", \"arguments\": %s}\n</tool_call>"
                .formatted(name, arguments);
    }

    @Test
    void aRequiredCallIsWellFormed() {
        assertTrue(required(HERMES, call("find", "{\"s\":\"a\"}")));
        assertTrue(required(HERMES, call("clock", "{}") + "\n" + call("find", "{\"s\":\"\"}")));
        assertFalse(required(HERMES, call("find", "{}")));
        assertFalse(required(HERMES, call("find", "{\"s\":1}")));
        assertFalse(required(HERMES, call("other", "{}")));
        assertFalse(required(HERMES, "text"));
        assertFalse(required(HERMES, call("clock", "{}") + " text"));
    }

    @Test
    void freeTextMayComeBeforeACallThatIsThenConstrained() {
        assertTrue(auto(HERMES, "text < tool_call>"));
        assertTrue(auto(HERMES, ""));
        assertTrue(auto(HERMES, "text\n" + call("clock", "{}")));
        assertFalse(auto(HERMES, "text\n" + call("other", "{}")));
        assertFalse(auto(HERMES, "text <tool_call>"));
        assertTrue(auto(BARE, "text"));
        assertTrue(auto(BARE, "{\"a\": 1}"));
        assertTrue(auto(BARE, "{\"name\": \"clock\", \"parameters\": {}}"));
        assertFalse(auto(BARE, "{\"name\": \"other\", \"parameters\": {}}"));
    }

    @Test
    void oneCallIsAllowedWithoutParallelCalls() {
        Grammar one =
                ToolGrammar.required(format(HERMES), FUNCTIONS, false, Map.of(), Layout.COMPACT);
        assertTrue(accepts(one, call("clock", "{}")));
        assertFalse(accepts(one, call("clock", "{}") + "\n" + call("clock", "{}")));
    }

    @Test
    void taggedArgumentsFollowTheSchema() {
        String begin = "<tool_call>\n<function=find>";
        String text = "\n<parameter=s>\na\nb\n</parameter>";
        String number = "\n<parameter=n>\n12\n</parameter>";
        String choice = "\n<parameter=e>\non\n</parameter>";
        String end = "\n</function>\n</tool_call>";
        assertTrue(required(TAGGED, begin + text + end));
        assertTrue(required(TAGGED, begin + text + number + choice + end));
        assertTrue(required(TAGGED, begin + text + choice + end));
        assertFalse(required(TAGGED, begin + number + end));
        assertFalse(required(TAGGED, begin + text + number.replace("12", "x") + end));
        assertFalse(required(TAGGED, begin + text + choice.replace("on", "x") + end));
        assertTrue(required(TAGGED, "<tool_call>\n<function=clock>" + end));
    }

    @Test
    void textWithoutQuotesFollowsTheSchema() {
        Map<String, JsonNode> functions =
                Map.of(
                        "f",
                        RenderedAnswers.json(
                                """
                                {"properties": {"s": {"type": "string", "pattern": "^a+$"},
                                   "u": {"type": ["string", "integer", "null"], "maxLength": 3}},
                                 "additionalProperties": {"type": "boolean"}, "minProperties": 1}
                                """));
        Grammar grammar =
                ToolGrammar.required(format(TAGGED), functions, true, Map.of(), Layout.COMPACT);
        String call =
                "<tool_call>\n<function=f>%s\n</function>\n</tool_call>"
                        .formatted("\n<parameter=%s>\n%s\n</parameter>");
        assertTrue(accepts(grammar, call.formatted("s", "aaa")));
        assertFalse(accepts(grammar, call.formatted("s", "ab")));
        assertTrue(accepts(grammar, call.formatted("u", "a b")));
        assertTrue(accepts(grammar, call.formatted("u", "1234")));
        assertTrue(accepts(grammar, call.formatted("u", "null")));
        assertFalse(accepts(grammar, call.formatted("u", "1.5")));
        assertFalse(accepts(grammar, call.formatted("u", "abcd")));
        assertTrue(accepts(grammar, call.formatted("other", "true")));
        assertFalse(accepts(grammar, call.formatted("other", "x")));
        assertFalse(accepts(grammar, "<tool_call>\n<function=f>\n</function>\n</tool_call>"));
    }

    @Test
    void whatAFormatCannotWriteIsRefused() {
        Map<String, JsonNode> functions =
                Map.of("f", RenderedAnswers.json("{\"properties\": {\"a<b\": {}}}"));
        assertEquals(
                "'properties' at '#': the model's format of calls cannot write the name 'a<b'",
                assertThrows(
                                IllegalArgumentException.class,
                                () ->
                                        ToolGrammar.required(
                                                format(TAGGED),
                                                functions,
                                                true,
                                                Map.of(),
                                                Layout.COMPACT))
                        .getMessage());
    }

    @Test
    void markersThatAreTokensAreTheirIds() {
        Grammar grammar =
                ToolGrammar.auto(
                        format(HERMES),
                        FUNCTIONS,
                        false,
                        Map.of("<tool_call>", 7, "</tool_call>", 8),
                        Layout.COMPACT);
        TextMatcher matcher = CompiledGrammar.compile(grammar, GrammarLimits.DEFAULT).text();
        assertEquals(5, matcher.accept("text\n".getBytes(StandardCharsets.UTF_8)));
        assertTrue(matcher.acceptSpecial(7));
        String body = "\n{\"name\": \"clock\", \"arguments\": {}}\n";
        assertEquals(body.length(), matcher.accept(body.getBytes(StandardCharsets.UTF_8)));
        assertFalse(matcher.mayEnd());
        assertTrue(matcher.acceptSpecial(8));
        assertTrue(matcher.mayEnd());
    }

    /// What a template renders is what its grammar allows.
    @Test
    void publishedTemplatesRenderTextsOfTheirGrammars() throws IOException {
        List<String> wrong = new ArrayList<>();
        for (String name : FAMILIES) {
            Path file = Fixtures.require("chat-templates").resolve(name + ".jinja");
            RenderedAnswers answers = RenderedAnswers.of(file, CLOCK).orElseThrow();
            String output =
                    answers.callsOnly(RenderedAnswers.json("{\"count\": 3, \"text\": \"Oslo\"}"));
            String content = format(answers).anywhere() ? "Look: " : "";
            if (!accepts(answers.grammar(), content + output)) {
                wrong.add(name + ": " + output);
            }
        }
        assertTrue(wrong.isEmpty(), () -> String.join("\n", wrong));
    }
}
