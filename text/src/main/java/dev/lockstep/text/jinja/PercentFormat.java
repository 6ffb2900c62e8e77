// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The operator `%` on texts: `'%s is %.2f' % (a, b)` and `'%(name)s' % {'name': a}`.
final class PercentFormat {
    private static final Pattern FIELD =
            Pattern.compile(
                    "%(?:\\(([^)]*)\\))?([-+ #0]*)(\\d{1,9})?(?:\\.(\\d{1,9}))?([a-zA-Z%])");

    private final Object pattern;
    private final Object values;
    private final Budget budget;
    private int next;

    private PercentFormat(Object pattern, Object values, Budget budget) {
        this.pattern = pattern;
        this.values = values;
        this.budget = budget;
    }

    static Object format(Object pattern, Object values, Budget budget) {
        return new PercentFormat(pattern, values, budget).formatted();
    }

    private Object formatted() {
        String text = pattern.toString();
        budget.text(text.length());
        var output = new Output(budget);
        Matcher field = FIELD.matcher(text);
        int from = 0;
        int percent;
        while ((percent = text.indexOf('%', from)) >= 0) {
            if (!field.find(percent) || field.start() != percent) {
                throw new TemplateException("incomplete format after '%'");
            }
            output.append(text.substring(from, percent)).append(field(field));
            from = field.end();
        }
        output.append(text.substring(from));
        requireAllUsed();
        return Markup.like(pattern, output.toString());
    }

    private void requireAllUsed() {
        boolean unused =
                switch (values) {
                    case Tuple tuple -> next < tuple.size();
                    case Map<?, ?> ignored -> false;
                    case List<?> ignored -> false;
                    case Undefined ignored -> false;
                    default -> next == 0;
                };
        if (unused) {
            throw new TemplateException("not all arguments converted during string formatting");
        }
    }

    private String field(Matcher field) {
        char type = field.group(5).charAt(0);
        if (type == '%') {
            return "%";
        }
        Object value = value(Optional.ofNullable(field.group(1)));
        FormatSpec spec = spec(field, type, value);
        return switch (type) {
            case 's' -> safe(value, spec.text(Text.of(value, budget), budget));
            case 'r', 'a' ->
                    safe(
                            Text.literal(value, budget),
                            spec.text(Text.literal(value, budget), budget));
            case 'd', 'i', 'u' -> spec.number(whole(number(value, type)), budget);
            case 'x', 'X', 'o', 'e', 'E', 'f', 'F', 'g', 'G' ->
                    spec.number(number(value, type), budget);
            case 'c' ->
                    Values.isText(value)
                            ? spec.text(value.toString(), budget)
                            : spec.number(number(value, type), budget);
            default -> throw new TemplateException("unsupported format character '" + type + "'");
        };
    }

    private String safe(Object value, String text) {
        return pattern instanceof Markup && !(value instanceof Markup)
                ? Markup.escape(text, budget)
                : text;
    }

    private static FormatSpec spec(Matcher field, char type, Object value) {
        String flags = field.group(2);
        boolean left = flags.indexOf('-') >= 0;
        boolean zero = flags.indexOf('0') >= 0 && !left && "srac".indexOf(type) < 0;
        String width = field.group(3);
        String precision = field.group(4);
        return new FormatSpec(
                zero ? "0" : " ",
                left ? '<' : zero ? '=' : '>',
                flags.indexOf('+') >= 0 ? '+' : flags.indexOf(' ') >= 0 ? ' ' : '-',
                flags.indexOf('#') >= 0,
                width == null ? 0 : Long.parseLong(width),
                Optional.empty(),
                precision == null
                        ? OptionalInt.empty()
                        : OptionalInt.of(Integer.parseInt(precision)),
                switch (type) {
                    case 's', 'r', 'a' -> 's';
                    case 'c' -> Values.isText(value) ? 's' : 'c';
                    case 'i', 'u' -> 'd';
                    default -> type;
                });
    }

    private Object value(Optional<String> key) {
        if (key.isPresent()) {
            if (!(values instanceof Map<?, ?> map)) {
                throw new TemplateException("format requires a mapping");
            }
            Object value = map.get(key.get());
            if (value == null) {
                throw new TemplateException("format key '" + key.get() + "' is missing");
            }
            return value;
        }
        if (values instanceof Tuple tuple) {
            if (next >= tuple.size()) {
                throw new TemplateException("not enough arguments for format string");
            }
            return tuple.get(next++);
        }
        if (next++ > 0) {
            throw new TemplateException("not enough arguments for format string");
        }
        return values;
    }

    private static Object number(Object value, char type) {
        if (value instanceof Undefined missing) {
            throw missing.used();
        }
        if (!Numbers.isNumber(value)) {
            throw new TemplateException(
                    "%" + type + " format: a number is required, not " + Values.typeName(value));
        }
        return Numbers.widened(value);
    }

    private static Object whole(Object number) {
        return number instanceof Double real ? Numbers.truncated(real) : number;
    }
}
