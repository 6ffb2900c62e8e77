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
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// What looks like a call and is none is content, in the format of every published template:
/// nothing of it is lost, however it is cut.
final class BrokenCallsTest {
    private static final Clock CLOCK =
            Clock.fixed(Instant.parse("2026-01-15T12:00:00Z"), ZoneOffset.UTC);
    private static final int CHANGES = 40;
    private static final String CONTENT = "I look:";
    private static final JsonNode VALUES =
            RenderedAnswers.json(
                    "{\"text\": \"Oslo {\\\"x\\\": 'y'}\", \"count\": 3, \"deep\": {\"k\": [1, \"ü\"]}}");

    /// Calls of formats whose templates render none.
    private static final Map<String, String> WRITTEN =
            Map.of(
                    "Kimi-K2-Instruct",
                    "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{\"text\":\"a\",\"count\":3}<|tool_call_end|><|tool_calls_section_end|>",
                    "LFM2-8B-A1B",
                    "<|tool_call_start|>[get_weather(text=\"a\", count=3)]<|tool_call_end|>");

    private static Map<String, AnswerFormat> formats(Map<String, String> calls) throws IOException {
        Map<String, AnswerFormat> formats = new LinkedHashMap<>();
        try (Stream<Path> files = Files.list(Fixtures.require("chat-templates"))) {
            for (Path file :
                    files.filter(each -> each.toString().endsWith(".jinja")).sorted().toList()) {
                String name = file.getFileName().toString().replace(".jinja", "");
                Optional<RenderedAnswers> answers = RenderedAnswers.of(file, CLOCK);
                if (answers.isPresent()) {
                    formats.put(name, answers.get().format());
                    calls.put(name, answers.get().callsOnly(VALUES));
                } else if (WRITTEN.containsKey(name)) {
                    formats.put(
                            name,
                            AnswerFormat.learn(
                                    ChatTemplate.parse(Files.readString(file), "<s>", "</s>"),
                                    CLOCK));
                    calls.put(name, Objects.requireNonNull(WRITTEN.get(name)));
                }
            }
        }
        return formats;
    }

    private static Answer streamed(AnswerFormat format, String text, Random random) {
        ToolCallParser parser = format.parser(RenderedAnswers.FUNCTIONS, false, "");
        List<AnswerEvent> events = new ArrayList<>();
        int from = 0;
        while (from < text.length()) {
            int to = Math.min(text.length(), from + 1 + random.nextInt(5));
            events.addAll(parser.accept(text.substring(from, to)));
            from = to;
        }
        events.addAll(parser.finish());
        return Answer.of(events);
    }

    private static boolean isWithin(String part, String whole) {
        int at = 0;
        for (int i = 0; i < whole.length() && at < part.length(); i++) {
            at += whole.charAt(i) == part.charAt(at) ? 1 : 0;
        }
        return at == part.length();
    }

    private static String changed(String text, Random random) {
        int at = random.nextInt(text.length());
        int to = Math.min(text.length(), at + 1 + random.nextInt(6));
        return switch (random.nextInt(5)) {
            case 0 -> text.replace("get_weather", "get_wether").replace("find-train2", "find");
            case 1 -> text.substring(0, at);
            case 2 -> text.substring(0, at) + text.substring(to);
            case 3 ->
                    text.substring(0, at)
                            + "\"{[}<>".charAt(random.nextInt(6))
                            + text.substring(at);
            default -> text.substring(0, to) + text.substring(at);
        };
    }

    @Test
    void whatIsNoCallIsContent() throws IOException {
        Map<String, String> calls = new LinkedHashMap<>();
        Map<String, AnswerFormat> formats = formats(calls);
        assertEquals(43, formats.size());
        List<String> wrong = new ArrayList<>();
        int broken = 0;
        for (Map.Entry<String, AnswerFormat> each : formats.entrySet()) {
            AnswerFormat format = each.getValue();
            String call = Objects.requireNonNull(calls.get(each.getKey()));
            String content =
                    format.content().openings().isEmpty() && format.tools().orElseThrow().anywhere()
                            ? CONTENT
                            : "";
            for (int seed = 0; seed < CHANGES; seed++) {
                var random = new Random(seed);
                String text = content + changed(call, random);
                Answer whole = Answer.whole(format, RenderedAnswers.FUNCTIONS, "", text);
                broken += whole.calls().isEmpty() ? 1 : 0;
                String fault = fault(format, text, whole);
                if (!fault.isEmpty()) {
                    wrong.add(each.getKey() + " " + seed + ": " + fault + whole + " of " + text);
                }
                if (!streamed(format, text, random).equals(whole)) {
                    wrong.add(each.getKey() + " " + seed + ": streamed otherwise: " + text);
                }
            }
        }
        assertTrue(wrong.isEmpty(), () -> wrong.size() + "\n" + String.join("\n", wrong));
        assertTrue(broken > formats.size() * CHANGES / 4, "broken: " + broken);
    }

    private static String fault(AnswerFormat format, String text, Answer whole) {
        if (whole.calls().isEmpty()) {
            String expected =
                    format.content().closings().stream()
                            .reduce(text, (rest, closing) -> rest.replace(closing, ""));
            return whole.content().equals(expected) ? "" : "content is lost: ";
        }
        for (Answer.Call call : whole.calls()) {
            if (!RenderedAnswers.FUNCTIONS.containsKey(call.name())
                    || !RenderedAnswers.json(call.arguments()).isObject()) {
                return "no call: ";
            }
        }
        return isWithin(whole.content(), text) ? "" : "content is added: ";
    }
}
