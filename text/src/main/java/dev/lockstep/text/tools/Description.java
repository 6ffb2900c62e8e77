// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/// Describes a format for a user.
final class Description {
    private Description() {}

    static List<Map.Entry<String, String>> of(AnswerFormat format) {
        List<Map.Entry<String, String>> lines = new ArrayList<>();
        lines.add(
                Map.entry(
                        "reasoning",
                        format.reasoning().map(Description::reasoning).orElse("not shown")));
        if (!format.content().openings().isEmpty()) {
            lines.add(
                    Map.entry(
                            "content",
                            "after "
                                    + format.content().openings().stream()
                                            .map(JsonText::quoted)
                                            .collect(Collectors.joining(" or "))));
        }
        lines.add(
                Map.entry(
                        "tool calls", format.tools().map(Description::tools).orElse("not shown")));
        format.tools()
                .flatMap(Description::values)
                .ifPresent(values -> lines.add(Map.entry("arguments", values)));
        return lines;
    }

    private static String reasoning(ReasoningFormat format) {
        return "%s … %s%s, %s"
                .formatted(
                        JsonText.quoted(format.opening()),
                        JsonText.quoted(format.closing()),
                        format.opened() ? ", opened by the prompt" : "",
                        format.kept() ? "rendered in the history" : "dropped from the history");
    }

    private static String tools(ToolFormat format) {
        String call = call(format.call());
        String one = format.callBegin() + call + format.callEnd();
        String calls = format.parallel() ? one + "[" + format.separator() + one + "]*" : one;
        return JsonText.escaped(
                format.contentSeparator()
                        + format.sectionBegin()
                        + calls
                        + format.sectionEnd()
                        + (format.anywhere() ? "" : " (at the beginning of an answer only)"));
    }

    private static String call(CallForm form) {
        return switch (form) {
            case CallForm.JsonCall json ->
                    json.keys().stream()
                            .map(key -> "\"" + key + "\": " + slot(json, key))
                            .collect(Collectors.joining(", ", "{", "}"));
            case CallForm.NamedJson _ -> "{\"NAME\": ARGUMENTS}";
            case CallForm.Pieces pieces ->
                    pieces.head().stream().map(Description::piece).collect(Collectors.joining())
                            + arguments(pieces.arguments());
        };
    }

    private static String slot(CallForm.JsonCall json, String key) {
        if (key.equals(json.nameKey())) {
            return "NAME";
        }
        if (key.equals(json.argumentsKey())) {
            return json.textArguments() ? "\"ARGUMENTS\"" : "ARGUMENTS";
        }
        return json.idKey().filter(key::equals).isPresent() ? "ID" : "…";
    }

    private static String piece(Piece piece) {
        return switch (piece) {
            case Piece.Text(String text) -> text;
            case Piece.Either(List<String> texts) -> texts.getFirst();
            case Piece.Name _ -> "NAME";
            case Piece.Id _ -> "ID";
            case Piece.Index _ -> "INDEX";
        };
    }

    private static String arguments(ArgumentForm form) {
        return switch (form) {
            case ArgumentForm.Json _ -> "ARGUMENTS";
            case ArgumentForm.Python _ -> "(KEY=VALUE, …)";
            case ArgumentForm.Elements(String prefix, String _) ->
                    "[" + prefix + "<KEY>VALUE" + prefix + "</KEY>]*";
            case ArgumentForm.Quoted quoted ->
                    "{KEY:" + quoted.quote() + "VALUE" + quoted.quote() + ",…}";
            case ArgumentForm.Tagged tagged ->
                    "["
                            + tagged.begin()
                            + "KEY"
                            + tagged.values().getLast().opening()
                            + "VALUE"
                            + tagged.values().getLast().closing()
                            + "]*";
        };
    }

    /// Describes how values are written where they are not JSON.
    private static Optional<String> values(ToolFormat format) {
        if (!(format.call() instanceof CallForm.Pieces pieces)) {
            return Optional.empty();
        }
        return switch (pieces.arguments()) {
            case ArgumentForm.Json _ -> Optional.empty();
            case ArgumentForm.Python python ->
                    Optional.of(
                            python.rawStrings()
                                    ? "Python literals, strings without escapes"
                                    : "Python literals");
            case ArgumentForm.Elements elements ->
                    Optional.of("a value of the schema's type, items in <" + elements.item() + ">");
            case ArgumentForm.Quoted quoted ->
                    Optional.of("strings between " + JsonText.quoted(quoted.quote()));
            case ArgumentForm.Tagged tagged ->
                    Optional.of(
                            tagged.values().stream()
                                    .map(
                                            value ->
                                                    JsonText.quoted(value.opening())
                                                            + " "
                                                            + type(value.type()))
                                    .collect(Collectors.joining(", ")));
        };
    }

    private static String type(ArgumentForm.ValueType type) {
        return switch (type) {
            case BY_SCHEMA -> "a value of the schema's type";
            case STRING -> "a string";
            case JSON -> "another value";
        };
    }
}
