// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.TextMatcher;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.tools.AnswerFormat;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Clock;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Tests of constraints of whole answers: reasoning, then content or calls.
final class AnswerConstraintTest {
    private static final ObjectNode SCHEMA =
            (ObjectNode)
                    TestCoordinator.json(
                            """
                            {"type":"object","properties":{"city":{"type":"string"}},"required":["city"],
                            "additionalProperties":false}""");
    private static final String GOOD = "{\"city\":\"Oslo\"}";
    private static final String BAD = "{\"town\":\"Oslo\"}";

    /// Names the markers of its channels, but renders no calls.
    private static final String CHANNELS =
            "{# <|channel|>analysis <|channel|>commentary <|call|> #}{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}";

    private static String fixture(String template) throws IOException {
        return Files.readString(Fixtures.require("chat-templates").resolve(template + ".jinja"));
    }

    private static TextMatcher matcher(
            String source, RequestTools.Choice choice, String promptEnd) {
        AnswerFormat format =
                AnswerFormat.learn(ChatTemplate.parse(source, "", ""), Clock.systemUTC());
        ObjectNode tools = TestCoordinator.object();
        ObjectNode tool = tools.putArray("tools").addObject();
        tool.putObject("function").put("name", "weather").set("parameters", SCHEMA);
        tools.put("tool_choice", choice == RequestTools.Choice.AUTO ? "auto" : "required");
        ConstraintSource constraint =
                new AnswerConstraint(format, Map.of(), promptEnd)
                        .of(ToolFields.parse(new Fields(tools)), Optional.empty());
        return CompiledGrammar.compile(constraint.grammar().get(), GrammarLimits.DEFAULT).text();
    }

    private static boolean matches(TextMatcher matcher, String text) {
        matcher.reset();
        return matcher.matches(text.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void anAnswerOfChannelsThinksThenAnswersOrCalls() {
        String thinking = "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant";
        String call = "<|channel|>commentary to=functions.weather <|constrain|>json<|message|>";
        TextMatcher auto = matcher(CHANNELS, RequestTools.Choice.AUTO, "<|start|>assistant");
        assertTrue(matches(auto, "<|channel|>final<|message|>Hello"));
        assertTrue(matches(auto, thinking + "<|channel|>final<|message|>Hello"));
        assertTrue(matches(auto, thinking + call + GOOD + "<|call|>"));
        assertFalse(matches(auto, thinking + call + BAD + "<|call|>"));
        TextMatcher required =
                matcher(CHANNELS, RequestTools.Choice.REQUIRED, "<|start|>assistant");
        assertTrue(matches(required, call + GOOD + "<|call|>"));
        assertTrue(matches(required, thinking + call + GOOD + "<|call|>"));
        assertFalse(matches(required, "<|channel|>final<|message|>Hello"));
    }

    @Test
    void reasoningThatThePromptOpenedIsClosedFirst() throws IOException {
        String call = "<tool_call>\n{\"name\": \"weather\", \"arguments\": %s}\n</tool_call>";
        TextMatcher opened =
                matcher(
                        fixture("Qwen-QwQ-32B"),
                        RequestTools.Choice.REQUIRED,
                        "assistant\n<think>\n");
        assertTrue(matches(opened, "Hm\n</think>\n\n" + call.formatted(GOOD)));
        assertFalse(matches(opened, call.formatted(GOOD)));
        assertFalse(matches(opened, "Hm\n</think>\n\n" + call.formatted(BAD)));
        TextMatcher closed =
                matcher(
                        fixture("Qwen-QwQ-32B"),
                        RequestTools.Choice.REQUIRED,
                        "assistant\n<think>\n\n</think>\n\n");
        assertTrue(matches(closed, call.formatted(GOOD)));
        assertFalse(matches(closed, "<think>Hm</think>" + call.formatted(GOOD)));
    }

    @Test
    void idsOfCallsHaveTheFormThatTheTemplateAccepts() {
        String template =
                "{% for m in messages %}{% if m.tool_call_id and m.tool_call_id | length != 9 %}{{ raise_exception('length 9') }}{% endif %}{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}";
        CallIdForm nine = CallIdForm.of(ChatTemplate.parse(template, "", ""), Clock.systemUTC());
        assertEquals(CallIdForm.NINE_LETTERS, nine);
        assertTrue(nine.next(Randomness.secure()).matches("[0-9A-Za-z]{9}"));
        CallIdForm any =
                CallIdForm.of(
                        ChatTemplate.parse(template.replace("!= 9", "== 0"), "", ""),
                        Clock.systemUTC());
        assertEquals(CallIdForm.LONG, any);
        assertTrue(any.next(Randomness.secure()).matches("call_[0-9a-f]{32}"));
    }
}
