// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.tools.Answer;
import dev.lockstep.text.tools.AnswerEvent;
import dev.lockstep.text.tools.AnswerFormat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests of answers as models write them, through the reader of a choice: whole and in pieces.
final class ModelFormatsTest {
    /// Names the markers of its channels, but renders no calls.
    private static final String CHANNELS =
            "{# <|channel|>analysis <|channel|>commentary <|call|> #}{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}";

    /// Renders calls in Python, without markers around them.
    private static final String PYTHONIC =
            "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if m.tool_calls %}[{% for c in m.tool_calls %}{{ c.function.name }}({% for k, v in c.function.arguments.items() %}{{ k }}={{ v | tojson }}{{ ', ' if not loop.last }}{% endfor %}){{ ', ' if not loop.last }}{% endfor %}]{% endif %}<|eot|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

    private static final Map<String, JsonNode> FUNCTIONS =
            Map.of(
                    "find",
                    TestCoordinator.json(
                            """
                            {"type":"object","properties":{"s":{"type":"string"},"n":{"type":"integer"},
                            "l":{"type":"array","items":{"type":"string"}}}}"""));
    private static final String CALL = "{\"s\":\"a \\\"b\\\" ü\",\"n\":2}";
    private static final String WANTED = "find" + CALL;

    private static ChatTemplate template(String name) throws IOException {
        String source =
                switch (name) {
                    case "harmony" -> CHANNELS;
                    case "pythonic" -> PYTHONIC;
                    default ->
                            Files.readString(
                                    Fixtures.require("chat-templates").resolve(name + ".jinja"));
                };
        return ChatTemplate.parse(source, "<s>", "</s>");
    }

    /// Reads a text that comes in these pieces.
    private static Answer read(AnswerFormat format, String prompt, List<String> pieces) {
        var plan =
                new AnswerPlan(
                        format,
                        FUNCTIONS,
                        false,
                        prompt,
                        true,
                        ReasoningPlace.SEPARATE,
                        Set.of(),
                        call -> "call_" + call);
        AnswerReader reader = plan.reader("0");
        List<AnswerEvent> events = new ArrayList<>();
        for (String piece : pieces) {
            events.addAll(reader.read(new Delta(piece, List.of())).events());
        }
        events.addAll(reader.finish().events());
        return Answer.of(events);
    }

    private static List<String> cut(String text, Random random) {
        List<String> pieces = new ArrayList<>();
        int from = 0;
        while (from < text.length()) {
            int to = Math.min(text.length(), from + 1 + random.nextInt(7));
            pieces.add(text.substring(from, to));
            from = to;
        }
        return pieces;
    }

    private static void assertRead(
            AnswerFormat format,
            String prompt,
            String output,
            String reasoning,
            String content,
            List<String> calls) {
        Answer whole = read(format, prompt, List.of(output));
        assertEquals(reasoning, whole.reasoning(), output);
        assertEquals(content, whole.content(), output);
        assertEquals(
                calls,
                whole.calls().stream()
                        .map(call -> call.name() + TestCoordinator.json(call.arguments()))
                        .toList(),
                output);
        assertEquals(
                whole,
                read(
                        format,
                        prompt,
                        IntStream.range(0, output.length())
                                .mapToObj(i -> output.substring(i, i + 1))
                                .toList()));
        var random = new Random(7);
        for (int i = 0; i < 20; i++) {
            assertEquals(whole, read(format, prompt, cut(output, random)));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '¦',
            quoteCharacter = '`',
            value = {
                "harmony ¦ <|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hi.<|return|> ¦ Hm. ¦ Hi. ¦ 0",
                "harmony ¦ <|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.find <|constrain|>json<|message|>%CALL<|call|> ¦ Hm. ¦ `` ¦ 1",
                "harmony ¦ <|channel|>analysis<|message|>Hm.<|end|><|start|>assistant to=functions.find<|channel|>commentary <|constrain|>json<|message|>%CALL<|call|> ¦ Hm. ¦ `` ¦ 1",
                "harmony ¦ <|channel|>analysis<|message|>Hm.<|end|><|start|>assistant to=functions.find<|channel|>commentary json<|message|>%CALL<|call|> ¦ Hm. ¦ `` ¦ 1",
                "harmony ¦ <|channel|>commentary to=functions.find<|message|>%CALL<|call|> ¦ `` ¦ `` ¦ 1",
                "harmony ¦  to=functions.find<|channel|>analysis<|message|>%CALL<|call|> ¦ `` ¦ `` ¦ 1",
                "harmony ¦ <|channel|>analysis to=functions.find code<|message|>%CALL<|call|> ¦ `` ¦ `` ¦ 1",
                "harmony ¦ <|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.find <|constrain|>json<|message|>%CALL<|call|> ¦ Hm. ¦ I look. ¦ 1",
                "harmony ¦ <|channel|>final<|message|>Send it to=functions.find now.<|return|> ¦ `` ¦ Send it to=functions.find now. ¦ 0",
                "harmony ¦ <|channel|>final<|message|>Say to=functions.other<|channel|>commentary<|message|>{}<|return|> ¦ `` ¦ Say to=functions.other<|channel|>commentary<|message|>{} ¦ 0",
                "Kimi-K2-Instruct ¦ I look.<|tool_calls_section_begin|><|tool_call_begin|>functions.find:0<|tool_call_argument_begin|>%CALL<|tool_call_end|><|tool_call_begin|>functions.find:1<|tool_call_argument_begin|>%CALL<|tool_call_end|><|tool_calls_section_end|><|im_end|> ¦ `` ¦ I look. ¦ 2",
                "Kimi-K2-Thinking ¦ <think>Hm.</think>I look.<|tool_calls_section_begin|><|tool_call_begin|>functions.find:0<|tool_call_argument_begin|>%CALL<|tool_call_end|><|tool_calls_section_end|><|im_end|> ¦ Hm. ¦ I look. ¦ 1",
                "LFM2-8B-A1B ¦ <|tool_call_start|>[find(s=\"a \\\"b\\\" ü\", n=2), find(s='a \"b\" ü', n=2)]<|tool_call_end|>I look.<|im_end|> ¦ `` ¦ I look. ¦ 2",
                "LFM2.5-8B-A1B ¦ <think>Hm.</think>I look.<|tool_call_start|>[find(s='a \"b\" ü', n=2)]<|tool_call_end|><|im_end|> ¦ Hm. ¦ I look. ¦ 1",
                "mistralai-Ministral-3-14B-Reasoning-2512 ¦ [THINK]Hm.[/THINK]I look.[TOOL_CALLS]find[ARGS]%CALL[TOOL_CALLS]find[ARGS]%CALL</s> ¦ Hm. ¦ I look. ¦ 2",
                "deepseek-ai-DeepSeek-V3.1 ¦ I look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>find<｜tool▁sep｜>%CALL<｜tool▁call▁end｜><｜tool▁call▁begin｜>find<｜tool▁sep｜>%CALL<｜tool▁call▁end｜><｜tool▁calls▁end｜> ¦ `` ¦ I look. ¦ 2",
                "deepseek-ai-DeepSeek-R1-Distill-Llama-8B ¦ <think>⏎Hm.⏎</think>⏎⏎<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>find⏎```json⏎%CALL⏎```<｜tool▁call▁end｜><｜tool▁calls▁end｜> ¦ Hm.⏎ ¦ `` ¦ 1",
                "deepseek-ai-DeepSeek-V3.2 ¦ <think>Hm.</think>I look.⏎⏎<｜DSML｜function_calls>⏎<｜DSML｜invoke name=\"find\">⏎<｜DSML｜parameter name=\"s\" string=\"true\">a \"b\" ü</｜DSML｜parameter>⏎<｜DSML｜parameter name=\"n\" string=\"false\">2</｜DSML｜parameter>⏎</｜DSML｜invoke>⏎</｜DSML｜function_calls> ¦ Hm. ¦ I look. ¦ 1",
                "pythonic ¦ [find(s=\"a \\\"b\\\" ü\", n=2), find(s='a \"b\" ü', n=2)]<|eot|> ¦ `` ¦ `` ¦ 2",
                "GLM-4.6 ¦ ⏎<think>Hm.</think>⏎I look.⏎<tool_call>find⏎<arg_key>s</arg_key>⏎<arg_value>a \"b\" ü</arg_value>⏎<arg_key>n</arg_key>⏎<arg_value>2</arg_value>⏎</tool_call> ¦ Hm. ¦ I look. ¦ 1",
                "MiniMax-M3 ¦ <mm:think>Hm.</mm:think>I look.]<]minimax[>[<tool_call>⏎]<]minimax[>[<invoke name=\"find\">]<]minimax[>[<s>a \"b\" ü]<]minimax[>[</s>]<]minimax[>[<n>2]<]minimax[>[</n>]<]minimax[>[</invoke>⏎]<]minimax[>[</tool_call> ¦ Hm. ¦ I look. ¦ 1",
                "Qwen3-Coder ¦ I look.⏎⏎<tool_call>⏎<function=find>⏎<parameter=s>⏎a \"b\" ü⏎</parameter>⏎<parameter=n>⏎2⏎</parameter>⏎</function>⏎</tool_call><|im_end|> ¦ `` ¦ I look. ¦ 1"
            })
    void anAnswerIsTakenApartAsItsModelWritesIt(
            String template, String output, String reasoning, String content, int calls)
            throws IOException {
        AnswerFormat format = AnswerFormat.learn(template(template), Clock.systemUTC());
        assertRead(
                format,
                "",
                output.replace('⏎', '\n').replace("%CALL", CALL),
                reasoning.replace('⏎', '\n'),
                content,
                IntStream.range(0, calls).mapToObj(_ -> WANTED).toList());
    }

    @Test
    void aDescriptionOfAUserIsFollowed(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("olmo.json");
        Files.writeString(
                file,
                """
                {"tools": {"section_begin": "<function_calls>\\n",
                   "call": {"pieces": ["NAME"], "arguments": {"form": "python"}},
                   "separator": "\\n", "section_end": "\\n</function_calls>"}}
                """);
        AnswerFormat format = AnswerFormat.learn(template("pythonic"), Clock.systemUTC(), file);
        assertRead(
                format,
                "",
                "I look.<function_calls>\nfind(s='a \"b\" ü', n=2)\nfind(l=['x', \"y\"])\n</function_calls>",
                "",
                "I look.",
                List.of(WANTED, "find{\"l\":[\"x\",\"y\"]}"));
        assertEquals(
                Optional.of(
                        "<function_calls>\\nNAME(KEY=VALUE, …)[\\nNAME(KEY=VALUE, …)]*\\n</function_calls>"),
                format.describe().stream()
                        .filter(line -> line.getKey().equals("tool calls"))
                        .map(Map.Entry::getValue)
                        .findFirst());
    }
}
