// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.util.Map;

/// Ways to write the same instance.
enum Spelling {
    /// Without white space, text as it is.
    COMPACT("", ",", ":", false),
    /// As Python's `json.dumps` writes it, ASCII only.
    SPACED("", ", ", ": ", true),
    INDENTED("    ", ",", ": ", true);

    private final String indent;
    private final String comma;
    private final String colon;
    private final boolean ascii;

    Spelling(String indent, String comma, String colon, boolean ascii) {
        this.indent = indent;
        this.comma = comma;
        this.colon = colon;
        this.ascii = ascii;
    }

    String write(JsonNode value) {
        var text = new StringBuilder();
        write(value, text, 1);
        return text.toString();
    }

    private void write(JsonNode value, StringBuilder text, int depth) {
        if (value.isObject()) {
            text.append('{');
            boolean first = true;
            for (Map.Entry<String, JsonNode> entry : value.properties()) {
                separate(text, first, depth);
                first = false;
                string(entry.getKey(), text);
                text.append(colon);
                write(entry.getValue(), text, depth + 1);
            }
            end(text, first, depth);
            text.append('}');
        } else if (value.isArray()) {
            text.append('[');
            boolean first = true;
            for (JsonNode item : value) {
                separate(text, first, depth);
                first = false;
                write(item, text, depth + 1);
            }
            end(text, first, depth);
            text.append(']');
        } else if (value.isTextual()) {
            string(value.textValue(), text);
        } else if (value.isNumber()) {
            text.append(number(value));
        } else {
            text.append(value);
        }
    }

    /// As Python writes a float: plain between 1e-4 and 1e16.
    private static String number(JsonNode value) {
        if (value.isIntegralNumber()) {
            return value.bigIntegerValue().toString();
        }
        BigDecimal number = value.decimalValue();
        int exponent = number.precision() - number.scale() - 1;
        if (number.signum() == 0 || (exponent >= -5 && exponent < 16)) {
            String plain = number.toPlainString();
            return plain.contains(".") ? plain : plain + ".0";
        }
        String digits = number.stripTrailingZeros().unscaledValue().abs().toString();
        return (number.signum() < 0 ? "-" : "")
                + digits.charAt(0)
                + (digits.length() > 1 ? "." + digits.substring(1) : "")
                + "e%s%02d".formatted(exponent < 0 ? "-" : "+", Math.abs(exponent));
    }

    private void separate(StringBuilder text, boolean first, int depth) {
        if (!first) {
            text.append(comma);
        }
        if (!indent.isEmpty()) {
            text.append('\n').append(indent.repeat(depth));
        }
    }

    private void end(StringBuilder text, boolean empty, int depth) {
        if (!empty && !indent.isEmpty()) {
            text.append('\n').append(indent.repeat(depth - 1));
        }
    }

    private void string(String content, StringBuilder text) {
        text.append('"');
        for (int i = 0; i < content.length(); i++) {
            char c = content.charAt(i);
            switch (c) {
                case '"' -> text.append("\\\"");
                case '\\' -> text.append("\\\\");
                case '\n' -> text.append("\\n");
                case '\r' -> text.append("\\r");
                case '\t' -> text.append("\\t");
                case '\b' -> text.append("\\b");
                case '\f' -> text.append("\\f");
                default -> {
                    if (c < 0x20 || (ascii && c > 0x7e)) {
                        text.append("\\u%04x".formatted((int) c));
                    } else {
                        text.append(c);
                    }
                }
            }
        }
        text.append('"');
    }
}
