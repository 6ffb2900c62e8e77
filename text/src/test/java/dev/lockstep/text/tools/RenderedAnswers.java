// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.schema.Layout;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.Detokenizer;
import dev.lockstep.text.TinyVocabularies;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.ToolCallForm;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Renders answers with a template, and takes them apart.
final class RenderedAnswers {
    static final String FIRST = "get_weather";
    private static final String SECOND = "find-train2";
    private static final String RESULT = "RESULT-OF-CALL";
    private static final Map<String, @Nullable Object> QUESTION = message("user", "Hello?");
    private static final String ID = "call0000";
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Tokenizer BYTES = TinyVocabularies.byteLevel("gpt-2");

    /// The id of the byte 0 in [#BYTES].
    private static final int FIRST_BYTE = 2;

    private static final JsonNode PARAMETERS =
            json(
                    """
                    {"type": "object", "properties": {
                      "text": {"type": "string", "description": "d"},
                      "note": {"type": "string", "description": "d"},
                      "count": {"type": "integer", "description": "d"},
                      "ratio": {"type": "number", "description": "d"},
                      "deep": {"type": "object", "description": "d"},
                      "list": {"type": "array", "items": {"type": "string"}, "description": "d"},
                      "any": {"description": "d"},
                      "größe in cm": {"type": "string", "description": "d"},
                      "x.y-z": {"type": "integer", "description": "d"},
                      "flag": {"type": "boolean", "description": "d"}}}
                    """);

    static final Map<String, JsonNode> FUNCTIONS = Map.of(FIRST, PARAMETERS, SECOND, PARAMETERS);

    /// With properties that every format can enforce.
    private static final JsonNode ORDERED_PARAMETERS =
            json(
                    """
                    {"type": "object", "additionalProperties": false, "properties": {
                      "count": {"type": "integer"}, "text": {"type": "string"}}}
                    """);

    private static final Map<String, JsonNode> GRAMMAR_FUNCTIONS =
            Map.of(FIRST, ORDERED_PARAMETERS, SECOND, ORDERED_PARAMETERS);

    private final ChatTemplate template;
    private final AnswerFormat format;
    private final ToolCallForm form;
    private final Clock clock;
    private final Map<String, Object> variables;
    private final String prompt;

    private RenderedAnswers(
            ChatTemplate template,
            AnswerFormat format,
            ToolCallForm form,
            Clock clock,
            Map<String, Object> variables) {
        this.template = template;
        this.format = format;
        this.form = form;
        this.clock = clock;
        this.variables = variables;
        prompt = text(List.of(QUESTION), true);
    }

    /// The same template with the variables that make templates think.
    RenderedAnswers thinking() {
        return new RenderedAnswers(
                template, format, form, clock, Map.of("enable_thinking", true, "thinking", true));
    }

    AnswerFormat format() {
        return format;
    }

    /// An answer as text.
    ///
    /// @param prompt what the text continues
    record Rendered(String prompt, String output) {}

    /// Reads a template; empty if it renders no calls that can be taken apart.
    static Optional<RenderedAnswers> of(Path file, Clock clock) throws IOException {
        ChatTemplate template = ChatTemplate.parse(Files.readString(file), "<s>", "</s>");
        AnswerFormat format = AnswerFormat.learn(template, clock);
        return format.tools().isEmpty()
                ? Optional.empty()
                : Trial.of(template, clock)
                        .form()
                        .map(form -> new RenderedAnswers(template, format, form, clock, Map.of()));
    }

    /// Renders an answer that is followed by the results of its calls.
    Rendered render(Answer parts, JsonNode values, int count) {
        Map<String, @Nullable Object> answer = message("assistant", parts.content());
        if (!parts.reasoning().isEmpty()) {
            for (String field : List.of("reasoning_content", "reasoning", "thinking", "thought")) {
                answer.put(field, parts.reasoning());
            }
        }
        List<Map<String, @Nullable Object>> messages = new ArrayList<>(List.of(QUESTION, answer));
        List<Object> calls = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String name = i == 0 ? FIRST : SECOND;
            Object arguments = JSON.convertValue(values, Map.class);
            calls.add(
                    Map.of(
                            "id",
                            ID + i,
                            "type",
                            "function",
                            "function",
                            Map.of("name", name, "arguments", arguments)));
            Map<String, @Nullable Object> result = message("tool", RESULT);
            result.put("tool_call_id", ID + i);
            result.put("name", name);
            messages.add(result);
        }
        answer.put("tool_calls", calls);
        String all = text(messages, false);
        String start = all.startsWith(prompt) ? prompt : MarkerText.commonPrefix(prompt, all);
        return new Rendered(
                start, withoutResult(all.substring(start.length(), all.indexOf(RESULT))));
    }

    /// Renders calls and returns what the template writes for them, without reasoning and end.
    String callsOnly(JsonNode values) {
        ToolFormat tools = format.tools().orElseThrow();
        String output =
                render(new Answer("", "", List.of()), values, tools.parallel() ? 2 : 1).output();
        String begin = tools.sectionBegin() + tools.callBegin();
        int start = begin.isBlank() ? 0 : output.indexOf(begin.strip());
        String closing = tools.sectionEnd().isBlank() ? tools.callEnd() : tools.sectionEnd();
        int end = output.length();
        for (String each : format.content().ends()) {
            int at = output.lastIndexOf(each.strip());
            end = at > start ? Math.min(end, at) : end;
        }
        int closed = closing.isBlank() ? -1 : output.lastIndexOf(closing.strip());
        return MarkerText.leadingSpace(begin)
                + output.substring(start, closed > start ? closed + closing.strip().length() : end)
                + MarkerText.trailingSpace(closing);
    }

    Grammar grammar() {
        return ToolGrammar.auto(
                format.tools().orElseThrow(), GRAMMAR_FUNCTIONS, true, Map.of(), Layout.FLEXIBLE);
    }

    /// Cuts off what stands before a result.
    private String withoutResult(String output) {
        ToolFormat tools = format.tools().orElseThrow();
        int end =
                Stream.concat(
                                format.content().ends().stream(),
                                Stream.of(tools.sectionEnd(), tools.callEnd()))
                        .map(String::strip)
                        .filter(text -> output.contains(text) && !text.isEmpty())
                        .mapToInt(text -> output.lastIndexOf(text) + text.length())
                        .max()
                        .orElse(output.length());
        return output.substring(0, end);
    }

    private static Map<String, @Nullable Object> message(String role, String content) {
        Map<String, @Nullable Object> message = new LinkedHashMap<>();
        message.put("role", role);
        message.put("content", content);
        return message;
    }

    private String text(List<Map<String, @Nullable Object>> messages, boolean generation) {
        List<Map<String, Object>> tools = new ArrayList<>();
        Object parameters = JSON.convertValue(PARAMETERS, Map.class);
        for (String name : List.of(FIRST, SECOND)) {
            tools.add(
                    Map.of(
                            "type",
                            "function",
                            "function",
                            Map.of("name", name, "description", "d", "parameters", parameters)));
        }
        ChatVariables conversation =
                TemplateTools.add(ChatVariables.of(messages, generation), tools, template, clock);
        for (Map.Entry<String, Object> each : variables.entrySet()) {
            conversation = conversation.with(each.getKey(), each.getValue());
        }
        return template.render(form.apply(conversation), clock);
    }

    /// Takes an answer apart that comes in pieces, which end at these places of its text.
    Answer cut(Rendered rendered, boolean constrained, int... places) {
        ToolCallParser parser = format.parser(FUNCTIONS, constrained, rendered.prompt());
        List<AnswerEvent> events = new ArrayList<>();
        int from = 0;
        for (int place : places) {
            events.addAll(parser.accept(rendered.output().substring(from, place)));
            from = place;
        }
        events.addAll(parser.accept(rendered.output().substring(from)));
        events.addAll(parser.finish());
        return Answer.of(events);
    }

    /// Detokenizes a text of which each byte is a token of its own, and returns how much of it was
    /// there after each of them: a cut within a character shows nothing of it.
    static int[] placesByByte(String output) {
        byte[] bytes = output.getBytes(StandardCharsets.UTF_8);
        var detokenizer = new Detokenizer(BYTES, false, Detokenizer.Start.CONTINUATION);
        var text = new StringBuilder();
        int[] places = new int[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            text.append(detokenizer.push(FIRST_BYTE + (bytes[i] & 0xFF)));
            places[i] = text.length();
        }
        text.append(detokenizer.finish());
        if (!text.toString().equals(output)) {
            throw new IllegalStateException("detokenized to " + text + " from " + output);
        }
        return places;
    }

    /// Returns whether an answer has the calls that were rendered, with ids where these were too.
    static boolean hasCalls(Answer answer, String output, JsonNode values, int count) {
        boolean same = answer.calls().size() == count;
        for (int i = 0; same && i < count; i++) {
            Answer.Call call = answer.calls().get(i);
            same =
                    call.name().equals(i == 0 ? FIRST : SECOND)
                            && equal(json(call.arguments()), values)
                            && (!output.contains(ID + i) || call.id().equals(Optional.of(ID + i)));
        }
        return same;
    }

    static Answer withoutIds(Answer answer) {
        return new Answer(
                answer.content(),
                answer.reasoning(),
                answer.calls().stream()
                        .map(c -> new Answer.Call(Optional.empty(), c.name(), c.arguments()))
                        .toList());
    }

    private static boolean equal(JsonNode a, JsonNode b) {
        return a.equals(
                (x, y) ->
                        x.isNumber() && y.isNumber()
                                ? x.decimalValue().compareTo(y.decimalValue())
                                : x.equals(y) ? 0 : 1,
                b);
    }

    static JsonNode json(String text) {
        try {
            return JSON.readTree(text);
        } catch (IOException e) {
            throw new IllegalArgumentException(text, e);
        }
    }
}
