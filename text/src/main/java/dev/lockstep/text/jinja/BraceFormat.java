// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// The method call `'{} {name} {0[key]!r:>10}'.format(…)`.
final class BraceFormat {
    private final Object receiver;
    private final String pattern;
    private final CallArguments arguments;
    private final Budget budget;
    private final Output output;
    private int at;
    private int automatic;

    private BraceFormat(Object receiver, String pattern, CallArguments arguments, Budget budget) {
        this.receiver = receiver;
        this.pattern = pattern;
        this.arguments = arguments;
        this.budget = budget;
        this.output = new Output(budget);
    }

    static String format(Object receiver, String pattern, CallArguments arguments, Budget budget) {
        return new BraceFormat(receiver, pattern, arguments, budget).formatted();
    }

    private String formatted() {
        while (at < pattern.length()) {
            char next = pattern.charAt(at++);
            boolean doubled = at < pattern.length() && pattern.charAt(at) == next;
            if (next != '{' && next != '}') {
                output.append(next);
            } else if (doubled) {
                output.append(next);
                at++;
            } else if (next == '{') {
                field();
            } else {
                throw new TemplateException("single '}' in a format string");
            }
        }
        return output.toString();
    }

    private void field() {
        int end = pattern.indexOf('}', at);
        if (end < 0) {
            throw new TemplateException("single '{' in a format string");
        }
        String field = pattern.substring(at, end);
        if (field.indexOf('{') >= 0) {
            throw new TemplateException("nested format fields are not supported");
        }
        at = end + 1;
        int colon = field.indexOf(':');
        String spec = colon < 0 ? "" : field.substring(colon + 1);
        String name = colon < 0 ? field : field.substring(0, colon);
        int mark = name.indexOf('!');
        String conversion = mark < 0 ? "" : name.substring(mark + 1);
        Object value = value(mark < 0 ? name : name.substring(0, mark));
        Object converted =
                switch (conversion) {
                    case "" -> value;
                    case "s" -> Text.of(value, budget);
                    case "r", "a" -> Text.literal(value, budget);
                    default ->
                            throw new TemplateException("unknown conversion '" + conversion + "'");
                };
        String text = layout(converted, spec);
        output.append(
                receiver instanceof Markup && !(converted instanceof Markup)
                        ? Markup.escape(text, budget)
                        : text);
    }

    private String layout(Object value, String spec) {
        if (spec.isEmpty()) {
            return Text.of(value, budget);
        }
        if (Values.isText(value)) {
            return FormatSpec.parse(spec).text(value.toString(), budget);
        }
        if (Numbers.isNumber(value)) {
            return FormatSpec.parse(spec).number(Numbers.widened(value), budget);
        }
        throw new TemplateException("unsupported format string for " + Values.typeName(value));
    }

    /// Returns the argument that `0`, `name` or an empty name refers to, after its `.attribute` and
    /// `[key]` parts.
    private Object value(String path) {
        int end = 0;
        while (end < path.length() && path.charAt(end) != '.' && path.charAt(end) != '[') {
            end++;
        }
        Object value = argument(path.substring(0, end));
        while (end < path.length()) {
            boolean attribute = path.charAt(end) == '.';
            int start = end + 1;
            int close = attribute ? nextPart(path, start) : path.indexOf(']', start);
            if (close < 0) {
                throw new TemplateException("missing ']' in a format string");
            }
            String part = path.substring(start, close);
            value =
                    attribute
                            ? Access.attribute(value, part, budget)
                            : Access.item(
                                    value,
                                    isIndex(part) ? (Object) Long.parseLong(part) : part,
                                    budget);
            end = attribute ? close : close + 1;
        }
        return value;
    }

    private static int nextPart(String path, int from) {
        int at = from;
        while (at < path.length() && path.charAt(at) != '.' && path.charAt(at) != '[') {
            at++;
        }
        return at;
    }

    private static boolean isIndex(String part) {
        return !part.isEmpty()
                && part.length() < 10
                && part.chars().allMatch(each -> each >= '0' && each <= '9');
    }

    private Object argument(String name) {
        if (name.isEmpty() || isIndex(name)) {
            int index = name.isEmpty() ? automatic++ : Integer.parseInt(name);
            if (index >= arguments.positional().size()) {
                throw new TemplateException("format field " + index + " has no argument");
            }
            return arguments.positional().get(index);
        }
        Object value = arguments.named().get(name);
        if (value == null) {
            throw new TemplateException("format field '" + name + "' has no argument");
        }
        return value;
    }
}
