// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.text.ChatTemplate;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// What published templates render for an answer is taken apart into the same answer, however it is
/// cut.
final class TemplateRoundTripTest {
    private static final Clock CLOCK =
            Clock.fixed(Instant.parse("2026-01-15T12:00:00Z"), ZoneOffset.UTC);
    private static final String CONTENT = "Let me look {that} up: <b>now</b>.";
    private static final String REASONING = "The user asks.\nTwo lines; \"quoted\".";

    /// Arguments by what is hard about them; `%M` stands for markers of the format.
    private static final Map<String, String> ARGUMENTS = new LinkedHashMap<>();

    static {
        ARGUMENTS.put("plain", "{\"text\": \"Oslo\"}");
        ARGUMENTS.put("two", "{\"text\": \"Oslo\", \"count\": 3}");
        ARGUMENTS.put("none", "{}");
        ARGUMENTS.put("empty text", "{\"text\": \"\", \"note\": \"x\"}");
        ARGUMENTS.put("double quotes", "{\"text\": \"a \\\"quoted\\\" word\"}");
        ARGUMENTS.put("single quotes", "{\"text\": \"it's 'so', or\"}");
        ARGUMENTS.put("backslashes", "{\"text\": \"C:\\\\new\\\\table\"}");
        ARGUMENTS.put("braces", "{\"text\": \"{\\\"a\\\": [1, {}]} }} ]] ((x))\"}");
        ARGUMENTS.put("markup", "{\"text\": \"<b>&amp; </x> [X] <|y|>\"}");
        ARGUMENTS.put("lines", "{\"text\": \"one\\n\\ntwo\\n\\tthree\"}");
        ARGUMENTS.put("scripts", "{\"text\": \"Zürich 東京 😀 שלום\", \"note\": \"\u2028\"}");
        ARGUMENTS.put("looks like a number", "{\"text\": \"12\", \"note\": \"true\"}");
        ARGUMENTS.put("numbers", "{\"count\": 9007199254740993, \"ratio\": -1.5e-7}");
        ARGUMENTS.put("large", "{\"ratio\": 1e300, \"count\": -9223372036854775808}");
        ARGUMENTS.put("flags", "{\"flag\": true}");
        ARGUMENTS.put("not", "{\"flag\": false, \"text\": \"x\"}");
        ARGUMENTS.put(
                "nested",
                "{\"deep\": {\"k\": {\"e\": {}, \"l\": [1, \"a\", true]}, \"s\": \"t\"}}");
        ARGUMENTS.put("null within", "{\"deep\": {\"k\": null}}");
        ARGUMENTS.put("empty object", "{\"deep\": {}, \"list\": []}");
        ARGUMENTS.put("list", "{\"list\": [\"a\", \"b c\", \"it's\"]}");
        ARGUMENTS.put("markers", "{\"text\": \"x %M y\"}");
    }

    /// What a template shows of its calls; the others of a family are alike.
    private static final Map<String, String> LEARNT =
            Map.of(
                    "Qwen-Qwen2.5-7B-Instruct",
                    "\\n<tool_call>\\n{\\\"name\\\": NAME, \\\"arguments\\\": ARGUMENTS}\\n</tool_call>[\\n<tool_call>\\n{\\\"name\\\": NAME, \\\"arguments\\\": ARGUMENTS}\\n</tool_call>]*",
                    "Mistral-Small-3.2-24B-Instruct-2506",
                    "[TOOL_CALLS]NAME[CALL_ID]ID[ARGS]ARGUMENTS[[TOOL_CALLS]NAME[CALL_ID]ID[ARGS]ARGUMENTS]*",
                    "Apertus-8B-Instruct",
                    "<|tools_prefix|>[{\\\"NAME\\\": ARGUMENTS}[, {\\\"NAME\\\": ARGUMENTS}]*]<|tools_suffix|>",
                    "LFM2.5-8B-A1B",
                    "<|tool_call_start|>[NAME(KEY=VALUE, …)[, NAME(KEY=VALUE, …)]*]<|tool_call_end|>",
                    "meta-llama-Llama-3.1-8B-Instruct",
                    "{\\\"name\\\": NAME, \\\"parameters\\\": ARGUMENTS} (at the beginning of an answer only)",
                    "poolside-Laguna-S-2.1",
                    "<tool_call>NAME[<arg_key>KEY</arg_key><arg_value>VALUE</arg_value>]*</tool_call>[<tool_call>NAME[<arg_key>KEY</arg_key><arg_value>VALUE</arg_value>]*</tool_call>]*",
                    "Kimi-K2-Instruct",
                    "<|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:INDEX<|tool_call_argument_begin|>ARGUMENTS<|tool_call_end|>[<|tool_call_begin|>functions.NAME:INDEX<|tool_call_argument_begin|>ARGUMENTS<|tool_call_end|>]*<|tool_calls_section_end|>");

    @Test
    void answersComeBackAsTheyWereRendered() throws IOException {
        List<String> wrong = new ArrayList<>();
        int rendering = 0;
        for (Path file : templates()) {
            Optional<RenderedAnswers> answers = RenderedAnswers.of(file, CLOCK);
            if (answers.isPresent()) {
                rendering++;
                check(answers.get()).forEach(fault -> wrong.add(file.getFileName() + ", " + fault));
            }
        }
        assertTrue(wrong.isEmpty(), () -> String.join("\n", wrong));
        assertEquals(40, rendering);
    }

    @Test
    void formatsAreLearntOrDescribed() throws IOException {
        Map<String, String> described = new LinkedHashMap<>();
        List<String> without = new ArrayList<>();
        for (Path file : templates()) {
            String name = file.getFileName().toString().replace(".jinja", "");
            AnswerFormat format =
                    AnswerFormat.learn(
                            ChatTemplate.parse(Files.readString(file), "<s>", "</s>"), CLOCK);
            if (format.tools().isEmpty()) {
                without.add(name);
            } else if (LEARNT.containsKey(name)) {
                format.describe().stream()
                        .filter(line -> line.getKey().equals("tool calls"))
                        .forEach(line -> described.put(name, line.getValue()));
            }
        }
        assertEquals(LEARNT, described);
        assertEquals(
                List.of("MiniMax-M3", "llama-cpp-rwkv-world", "microsoft-Phi-3.5-mini-instruct"),
                without);
    }

    private static List<Path> templates() throws IOException {
        try (Stream<Path> files = Files.list(Fixtures.require("chat-templates"))) {
            return files.filter(each -> each.toString().endsWith(".jinja")).sorted().toList();
        }
    }

    private static List<String> check(RenderedAnswers answers) {
        List<String> wrong = new ArrayList<>();
        ToolFormat tools = answers.format().tools().orElseThrow();
        String markers =
                JsonText.escaped(tools.sectionBegin() + tools.callBegin() + " " + tools.callEnd());
        ARGUMENTS.forEach(
                (label, text) -> {
                    JsonNode values = RenderedAnswers.json(text.replace("%M", markers));
                    int most = tools.parallel() ? 2 : 1;
                    if (label.equals("plain")) {
                        for (String content : List.of("", CONTENT)) {
                            for (String reasoning : List.of("", REASONING)) {
                                var one = new Answer(content, reasoning, List.of());
                                boolean all = !content.isEmpty() && !reasoning.isEmpty();
                                boolean none = content.isEmpty() && reasoning.isEmpty();
                                check(answers, one, values, 1, none, label, wrong);
                                check(answers, one, values, most, all, label, wrong);
                            }
                        }
                    } else {
                        var plain = new Answer(CONTENT, "", List.of());
                        check(answers, plain, values, most, false, label, wrong);
                        var bare = new Answer("", "", List.of());
                        check(answers, bare, values, 1, false, label, wrong);
                    }
                });
        return wrong;
    }

    private static void check(
            RenderedAnswers answers,
            Answer parts,
            JsonNode values,
            int count,
            boolean everyCut,
            String label,
            List<String> wrong) {
        RenderedAnswers.Rendered rendered = answers.render(parts, values, count);
        String output = rendered.output();
        if (!output.contains(RenderedAnswers.FIRST)) {
            return; // the template leaves calls out of an answer with content
        }
        Answer whole =
                Answer.whole(
                        answers.format(), RenderedAnswers.FUNCTIONS, rendered.prompt(), output);
        String content = output.contains(parts.content()) ? parts.content() : "";
        String reasoning = output.contains(parts.reasoning()) ? parts.reasoning() : "";
        if (!whole.content().equals(content)
                || !whole.reasoning().equals(reasoning)
                || !RenderedAnswers.hasCalls(whole, output, values, count)) {
            wrong.add(label + ": " + whole + " of " + output);
        }
        for (int at = 0; everyCut && at <= output.length(); at++) {
            Answer cut = answers.cut(rendered, false, List.of(at));
            if (!cut.equals(whole)) {
                wrong.add(label + ": " + cut + " of " + output + " cut at " + at);
            }
        }
        List<Integer> characters = Stream.iterate(0, i -> i + 1).limit(output.length()).toList();
        Answer streamed = answers.cut(rendered, false, characters);
        if (!streamed.equals(whole)) {
            wrong.add(label + ": streamed " + streamed + " of " + output);
        }
        Answer constrained = answers.cut(rendered, true, characters);
        if (!RenderedAnswers.withoutIds(constrained).equals(RenderedAnswers.withoutIds(whole))) {
            wrong.add(label + ": constrained " + constrained + " of " + output);
        }
    }
}
