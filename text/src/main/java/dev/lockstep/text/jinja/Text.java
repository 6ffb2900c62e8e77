// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.List;
import java.util.Map;

/// Values as text: as printed ([#of]) and as a literal inside a list or dict ([#literal]).
final class Text {
    private final Budget budget;
    private final Output output;

    private Text(Budget budget) {
        this.budget = budget;
        this.output = new Output(budget);
    }

    static String of(Object value, Budget budget) {
        return switch (value) {
            case String text -> text;
            case Markup markup -> markup.text();
            case Undefined ignored -> "";
            case Long number -> number.toString();
            default -> literal(value, budget);
        };
    }

    static String literal(Object value, Budget budget) {
        var text = new Text(budget);
        text.write(value);
        return text.output.toString();
    }

    private void write(Object value) {
        budget.enter();
        switch (value) {
            case String text -> quote(text);
            case Markup markup -> {
                output.append("Markup(");
                quote(markup.text());
                output.append(')');
            }
            case Boolean truth -> output.append(truth ? "True" : "False");
            case None ignored -> output.append("None");
            case Double number -> output.append(Numbers.text(number));
            case Undefined ignored -> output.append("Undefined");
            case Tuple tuple -> {
                sequence("(", tuple, tuple.size() == 1 ? ",)" : ")");
            }
            case Range range -> range(range);
            case List<?> list -> sequence("[", Values.elements(list), "]");
            case Map<?, ?> map -> dict(map);
            case Items items when items.isOnce() -> output.append(items.text());
            case Items items -> sequence(items.typeName() + "([", items.take(), "])");
            case Namespace namespace -> {
                output.append("<Namespace ");
                dict(namespace.attributes());
                output.append('>');
            }
            case Macro macro -> output.append("<Macro '" + macro.name() + "'>");
            case Loop loop -> output.append(loop.toString());
            case Cycler ignored ->
                    output.append("<jinja2.utils.Cycler object" + Function.ADDRESS + ">");
            case Joiner ignored ->
                    output.append("<jinja2.utils.Joiner object" + Function.ADDRESS + ">");
            case Function function -> output.append(function.text());
            default -> output.append(value.toString());
        }
        budget.leave();
    }

    private void sequence(String open, List<Object> items, String close) {
        output.append(open);
        for (int index = 0; index < items.size(); index++) {
            if (index > 0) {
                output.append(", ");
            }
            write(items.get(index));
        }
        output.append(close);
    }

    private void range(Range range) {
        output.append("range(" + range.start + ", " + range.stop);
        output.append(range.step == 1 ? ")" : ", " + range.step + ")");
    }

    private void dict(Map<?, ?> map) {
        output.append('{');
        boolean first = true;
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            if (!first) {
                output.append(", ");
            }
            first = false;
            write(entry.getKey());
            output.append(": ");
            write(entry.getValue());
        }
        output.append('}');
    }

    private void quote(String text) {
        char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        output.append(quote);
        for (int at = 0; at < text.length(); ) {
            int character = text.codePointAt(at);
            at += Character.charCount(character);
            switch (character) {
                case '\n' -> output.append("\\n");
                case '\r' -> output.append("\\r");
                case '\t' -> output.append("\\t");
                case '\\' -> output.append("\\\\");
                default -> {
                    if (character == quote) {
                        output.append('\\').append(quote);
                    } else if (CharacterTests.isPrintable(character)) {
                        output.append(Character.toString(character));
                    } else {
                        output.append(escape(character));
                    }
                }
            }
        }
        output.append(quote);
    }

    private static String escape(int character) {
        if (character <= 0xff) {
            return String.format("\\x%02x", character);
        }
        return String.format(character <= 0xffff ? "\\u%04x" : "\\U%08x", character);
    }
}
