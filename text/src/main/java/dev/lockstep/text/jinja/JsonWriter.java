// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.math.BigInteger;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A JSON writer for `tojson` in chat templates: keeps the key order and escapes nothing for HTML.
final class JsonWriter {
    private final Budget budget;
    private final Output output;
    private final boolean asciiOnly;
    private final Optional<String> indent;
    private final String itemSeparator;
    private final String keySeparator;
    private final boolean sortsKeys;
    private int depth;

    private JsonWriter(CallArguments.Bound options, Budget budget) {
        this.budget = budget;
        this.output = new Output(budget);
        this.asciiOnly = options.truth("ensure_ascii", false);
        this.indent = indent(options, budget);
        List<Object> separators =
                options.value("separators", None.NONE) instanceof List<?> list
                        ? Values.elements(list)
                        : List.of(indent.isPresent() ? "," : ", ", ": ");
        if (separators.size() != 2) {
            throw new TemplateException("tojson() argument 'separators' must be two strings");
        }
        this.itemSeparator = Text.of(separators.get(0), budget);
        this.keySeparator = Text.of(separators.get(1), budget);
        this.sortsKeys = options.truth("sort_keys", false);
    }

    static Object write(Object value, CallArguments arguments, Budget budget) {
        var json =
                new JsonWriter(
                        arguments.bind(
                                "tojson", "ensure_ascii", "indent", "separators", "sort_keys"),
                        budget);
        json.write(value);
        return json.output.toString();
    }

    private static Optional<String> indent(CallArguments.Bound options, Budget budget) {
        Object indent = options.value("indent", None.NONE);
        if (indent == None.NONE) {
            return Optional.empty();
        }
        if (Values.isText(indent)) {
            return Optional.of(Text.of(indent, budget));
        }
        long width = Math.max(0, options.integer("indent", 0));
        return Optional.of(" ".repeat(budget.text(width)));
    }

    private void write(Object value) {
        budget.enter();
        switch (value) {
            case String text -> quote(text);
            case Markup markup -> quote(markup.text());
            case Boolean truth -> output.append(truth ? "true" : "false");
            case None ignored -> output.append("null");
            case Long number -> output.append(number.toString());
            case BigInteger number -> output.append(number.toString());
            case Double number -> output.append(number(number));
            case Range ignored -> throw notJson(value);
            case List<?> list -> list(Values.elements(list));
            case Map<?, ?> map -> map(map);
            default -> throw notJson(value);
        }
        budget.leave();
    }

    private static TemplateException notJson(Object value) {
        return value instanceof Undefined missing
                ? missing.used()
                : new TemplateException(
                        "Object of type " + Values.typeName(value) + " is not JSON serializable");
    }

    private static String number(double number) {
        if (Double.isNaN(number)) {
            return "NaN";
        }
        return Double.isInfinite(number)
                ? (number > 0 ? "Infinity" : "-Infinity")
                : Numbers.text(number);
    }

    private void list(List<Object> items) {
        if (items.isEmpty()) {
            output.append("[]");
            return;
        }
        output.append('[');
        depth++;
        for (int index = 0; index < items.size(); index++) {
            separate(index == 0);
            write(items.get(index));
        }
        depth--;
        newLine();
        output.append(']');
    }

    private void map(Map<?, ?> map) {
        if (map.isEmpty()) {
            output.append("{}");
            return;
        }
        output.append('{');
        depth++;
        boolean first = true;
        for (Object pair : pairs(map)) {
            separate(first);
            first = false;
            List<?> entry = (List<?>) pair;
            quote(key(entry.get(0)));
            output.append(keySeparator);
            write(entry.get(1));
        }
        depth--;
        newLine();
        output.append('}');
    }

    private List<Object> pairs(Map<?, ?> map) {
        List<Object> pairs = Values.pairs(map, budget);
        if (sortsKeys) {
            pairs.sort(
                    (a, b) ->
                            Order.compare(((List<?>) a).get(0), ((List<?>) b).get(0), "<", budget));
        }
        return pairs;
    }

    private static String key(Object key) {
        return switch (key) {
            case String text -> text;
            case Boolean truth -> truth ? "true" : "false";
            case None ignored -> "null";
            case Markup markup -> markup.text();
            case Long number -> number.toString();
            case BigInteger number -> number.toString();
            case Double number -> number(number);
            default ->
                    throw new TemplateException(
                            "keys must be str, int, float, bool or None, not "
                                    + Values.typeName(key));
        };
    }

    private void separate(boolean first) {
        if (!first) {
            output.append(itemSeparator);
        }
        newLine();
    }

    private void newLine() {
        if (indent.isPresent()) {
            output.append('\n').repeat(indent.get(), depth);
        }
    }

    private void quote(String text) {
        output.append('"');
        int written = 0;
        for (int at = 0; at < text.length(); at++) {
            char next = text.charAt(at);
            if (next < 0x20 || next == '"' || next == '\\' || (asciiOnly && next > 0x7e)) {
                output.append(text.substring(written, at)).append(escape(next));
                written = at + 1;
            }
        }
        output.append(text.substring(written)).append('"');
    }

    private static String escape(char character) {
        return switch (character) {
            case '"' -> "\\\"";
            case '\\' -> "\\\\";
            case '\n' -> "\\n";
            case '\r' -> "\\r";
            case '\t' -> "\\t";
            case '\f' -> "\\f";
            case '\b' -> "\\b";
            default -> String.format("\\u%04x", (int) character);
        };
    }
}
