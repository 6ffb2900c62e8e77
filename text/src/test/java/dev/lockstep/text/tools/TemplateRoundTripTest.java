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
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What published templates render for an answer is taken apart into the same answer, however it is
/// cut.
@Tag("sweep")
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
        ARGUMENTS.put("only markers", "{\"text\": \"%M\"}");
        ARGUMENTS.put(
                "markers within",
                "{\"list\": [\"x %M y\"], \"deep\": {\"k\": \"%M\"}, \"text\": \"z\"}");
        ARGUMENTS.put("white space", "{\"text\": \"  a \", \"note\": \"b\\t\"}");
        ARGUMENTS.put("line feeds", "{\"text\": \"\\na\\n\\n\", \"note\": \"\\n\"}");
        ARGUMENTS.put("control characters", "{\"text\": \"a\\u0001b\\u0000\\r\\n\\u007f\"}");
        ARGUMENTS.put("double limits", "{\"ratio\": 1.7976931348623157e308, \"count\": 0}");
        ARGUMENTS.put("small", "{\"ratio\": 5e-324}");
        ARGUMENTS.put("above a long", "{\"count\": 18446744073709551616}");
        ARGUMENTS.put("zero", "{\"ratio\": 0.0, \"count\": -1}");
        ARGUMENTS.put("null", "{\"text\": \"a\", \"any\": null}");
        ARGUMENTS.put("empty within", "{\"deep\": {\"\": \"\", \"a\": [{}, [], [[]]]}}");
        ARGUMENTS.put("keys", "{\"größe in cm\": \"a\", \"x.y-z\": 1}");
        ARGUMENTS.put(
                "everything",
                "{\"text\": \"it's \\\"q\\\" {}\\n%M 東😀\", \"deep\": {\"k\": [1, {}, \"ü\"]}, \"count\": -7}");
    }

    /// What templates do not render of an answer with calls, so that nothing of it can come back.
    private static final Map<String, Set<String>> LEFT_OUT =
            Map.of(
                    "calls beside content", Set.of("deepseek-ai-DeepSeek-R1-Distill-Llama-8B"),
                    "content beside calls",
                            Set.of(
                                    "Cohere2MoE",
                                    "CohereForAI-c4ai-command-r7b-12-2024-tool_use",
                                    "MiniMax-M1",
                                    "Mistral-Small-3.2-24B-Instruct-2506",
                                    "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use",
                                    "google-gemma-4-31B-it",
                                    "meta-llama-Llama-3.1-8B-Instruct",
                                    "meta-llama-Llama-3.2-3B-Instruct",
                                    "muse-glimmer",
                                    "upstage-Solar-Open-100B"),
                    "reasoning",
                            Set.of(
                                    "Apertus-8B-Instruct",
                                    "Apriel-1.6-15b-Thinker-fixed",
                                    "GigaChat3-10B-A1.8B",
                                    "GigaChat3.1-10B-A1.8B",
                                    "MiMo-VL",
                                    "MiniMax-M1",
                                    "Mistral-Small-3.2-24B-Instruct-2506",
                                    "NVIDIA-Nemotron-Nano-v2",
                                    "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use",
                                    "Qwen-QwQ-32B",
                                    "Qwen-Qwen2.5-7B-Instruct",
                                    "Qwen3-Coder",
                                    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B",
                                    "deepseek-ai-DeepSeek-V3.1",
                                    "fireworks-ai-llama-3-firefunction-v2",
                                    "ibm-granite-granite-4.0",
                                    "ibm-granite-granite-4.1",
                                    "meetkai-functionary-medium-v3.1",
                                    "meta-llama-Llama-3.1-8B-Instruct",
                                    "meta-llama-Llama-3.2-3B-Instruct",
                                    "mistralai-Ministral-3-14B-Reasoning-2512",
                                    "moonshotai-Kimi-K2",
                                    "unsloth-mistral-Devstral-Small-2507"));

    /// Arguments that a template writes as others too. MiniMax-M3 leaves null out, and where the
    /// schema has no types its elements do not tell an empty object from an empty text, nor a tag
    /// in a text from one of its own.
    private static final Map<String, Set<String>> AMBIGUOUS =
            Map.of(
                    "MiniMax-M3",
                    Set.of(
                            "nested",
                            "null",
                            "null within",
                            "empty within",
                            "markers within",
                            "everything"));

    /// Templates without calls. Those of Kimi write to a list, which no sandbox allows; the others
    /// have no calls.
    private static final List<String> NOT_RENDERING =
            List.of(
                    "Kimi-K2-Instruct",
                    "Kimi-K2-Thinking",
                    "LFM2-8B-A1B",
                    "llama-cpp-rwkv-world",
                    "microsoft-Phi-3.5-mini-instruct");

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
        Map<String, Set<String>> leftOut = new TreeMap<>();
        List<String> notRendering = new ArrayList<>();
        int rendering = 0;
        for (Path file : templates()) {
            Optional<RenderedAnswers> answers = RenderedAnswers.of(file, CLOCK);
            if (answers.isEmpty()) {
                notRendering.add(file.getFileName().toString().replace(".jinja", ""));
            } else {
                rendering++;
                String name = file.getFileName().toString().replace(".jinja", "");
                Set<String> missing = new TreeSet<>();
                List<String> faults =
                        new ArrayList<>(
                                check(
                                        answers.get(),
                                        AMBIGUOUS.getOrDefault(name, Set.of()),
                                        missing));
                faults.addAll(checkThinking(answers.get().thinking(), missing));
                faults.forEach(fault -> wrong.add(name + ", " + fault));
                missing.forEach(
                        what -> leftOut.computeIfAbsent(what, _ -> new TreeSet<>()).add(name));
            }
        }
        assertTrue(wrong.isEmpty(), () -> String.join("\n", wrong));
        assertEquals(LEFT_OUT, leftOut);
        assertEquals(41, rendering);
        assertEquals(NOT_RENDERING, notRendering);
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
        assertEquals(List.of("llama-cpp-rwkv-world", "microsoft-Phi-3.5-mini-instruct"), without);
    }

    private static List<Path> templates() throws IOException {
        try (Stream<Path> files = Files.list(Fixtures.require("chat-templates"))) {
            return files.filter(each -> each.toString().endsWith(".jinja")).sorted().toList();
        }
    }

    /// @param ambiguous labels of arguments that are not checked
    /// @param leftOut takes what the template does not render
    private static List<String> check(
            RenderedAnswers answers, Set<String> ambiguous, Set<String> leftOut) {
        List<String> wrong = new ArrayList<>();
        ToolFormat tools = answers.format().tools().orElseThrow();
        String markers =
                JsonText.escaped(tools.sectionBegin() + tools.callBegin() + " " + tools.callEnd());
        ARGUMENTS.forEach(
                (label, text) -> {
                    if (ambiguous.contains(label)) {
                        return;
                    }
                    JsonNode values = RenderedAnswers.json(text.replace("%M", markers));
                    int most = tools.parallel() ? 2 : 1;
                    if (label.equals("plain")) {
                        for (String content : List.of("", CONTENT)) {
                            for (String reasoning : List.of("", REASONING)) {
                                var one = new Answer(content, reasoning, List.of());
                                boolean all = !content.isEmpty() && !reasoning.isEmpty();
                                boolean none = content.isEmpty() && reasoning.isEmpty();
                                check(answers, one, values, 1, none, label, leftOut, wrong);
                                check(answers, one, values, most, all, label, leftOut, wrong);
                            }
                        }
                    } else {
                        var plain = new Answer(CONTENT, "", List.of());
                        check(
                                answers,
                                plain,
                                values,
                                most,
                                label.equals("everything"),
                                label,
                                leftOut,
                                wrong);
                        var bare = new Answer("", "", List.of());
                        check(answers, bare, values, 1, false, label, leftOut, wrong);
                    }
                });
        return wrong;
    }

    /// Checks reasoning that a template renders only where it is told that the model thinks.
    private static List<String> checkThinking(RenderedAnswers answers, Set<String> leftOut) {
        List<String> wrong = new ArrayList<>();
        Set<String> missing = new TreeSet<>();
        JsonNode values = RenderedAnswers.json("{\"text\": \"Oslo\"}");
        int most = answers.format().tools().orElseThrow().parallel() ? 2 : 1;
        for (String content : List.of("", CONTENT)) {
            var one = new Answer(content, REASONING, List.of());
            check(answers, one, values, most, !content.isEmpty(), "thinking", missing, wrong);
        }
        if (!missing.contains("reasoning")) {
            leftOut.remove("reasoning");
        } else if (answers.format().reasoning().isPresent()) {
            checkWritten(answers, answers.format().reasoning().get(), values, wrong);
        }
        return wrong;
    }

    /// Checks reasoning that the template drops, before calls that it renders.
    private static void checkWritten(
            RenderedAnswers answers,
            ReasoningFormat reasoning,
            JsonNode values,
            List<String> wrong) {
        RenderedAnswers.Rendered rendered =
                answers.render(new Answer("", "", List.of()), values, 1);
        String prompt = rendered.prompt();
        String opening = reasoning.isOpenedBy(prompt) ? "" : reasoning.opening();
        var written =
                new RenderedAnswers.Rendered(
                        prompt, opening + REASONING + reasoning.closing() + rendered.output());
        int[] places = RenderedAnswers.placesByByte(written.output());
        for (int[] each : List.of(new int[0], places)) {
            Answer answer = answers.cut(written, false, each);
            if (!answer.reasoning().equals(REASONING)
                    || !answer.content().isEmpty()
                    || !RenderedAnswers.hasCalls(answer, written.output(), values, 1)) {
                wrong.add("written: " + answer + " of " + written);
            }
        }
    }

    private static void check(
            RenderedAnswers answers,
            Answer parts,
            JsonNode values,
            int count,
            boolean everyCut,
            String label,
            Set<String> leftOut,
            List<String> wrong) {
        RenderedAnswers.Rendered rendered = answers.render(parts, values, count);
        String output = rendered.output();
        if (!output.contains(RenderedAnswers.FIRST)) {
            leftOut.add("calls beside content");
            return;
        }
        Answer whole =
                Answer.whole(
                        answers.format(), RenderedAnswers.FUNCTIONS, rendered.prompt(), output);
        String content = rendered("content beside calls", parts.content(), output, leftOut);
        String reasoning = rendered("reasoning", parts.reasoning(), output, leftOut);
        if (!whole.content().equals(content)
                || !whole.reasoning().equals(reasoning)
                || !RenderedAnswers.hasCalls(whole, output, values, count)) {
            wrong.add(label + ": " + whole + " of " + output);
        }
        int[] places = RenderedAnswers.placesByByte(output);
        for (int i = 0; everyCut && i < places.length; i++) {
            Answer cut = answers.cut(rendered, false, places[i]);
            if (!cut.equals(whole)) {
                wrong.add(label + ": " + cut + " of " + output + " cut at byte " + i);
            }
        }
        Answer streamed = answers.cut(rendered, false, places);
        if (!streamed.equals(whole)) {
            wrong.add(label + ": streamed " + streamed + " of " + output);
        }
        Answer constrained = answers.cut(rendered, true, places);
        if (!RenderedAnswers.withoutIds(constrained).equals(RenderedAnswers.withoutIds(whole))) {
            wrong.add(label + ": constrained " + constrained + " of " + output);
        }
    }

    private static String rendered(String what, String part, String output, Set<String> leftOut) {
        if (output.contains(part)) {
            return part;
        }
        leftOut.add(what);
        return "";
    }
}
