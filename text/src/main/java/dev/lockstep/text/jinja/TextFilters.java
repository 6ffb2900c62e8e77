// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Filters.Filter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Filters that yield text; they accept any value and convert it to text first.
final class TextFilters {
    static final Map<String, Filter> ALL =
            Map.ofEntries(
                    Map.entry("string", (input, arguments, budget) -> soft(input, budget)),
                    Map.entry("upper", method("upper")),
                    Map.entry("lower", method("lower")),
                    Map.entry("capitalize", method("capitalize")),
                    Map.entry("trim", method("strip")),
                    Map.entry("title", TextFilters::title),
                    Map.entry("replace", TextFilters::replace),
                    Map.entry("center", TextFilters::center),
                    Map.entry("indent", TextFilters::indent),
                    Map.entry("truncate", TextFilters::truncate),
                    Map.entry("wordcount", TextFilters::wordCount),
                    Map.entry("format", TextFilters::format),
                    Map.entry(
                            "safe",
                            (input, arguments, budget) -> new Markup(Text.of(input, budget))),
                    Map.entry(
                            "escape",
                            (input, arguments, budget) -> new Markup(Markup.escape(input, budget))),
                    Map.entry(
                            "e",
                            (input, arguments, budget) -> new Markup(Markup.escape(input, budget))),
                    Map.entry(
                            "forceescape",
                            (input, arguments, budget) ->
                                    new Markup(Markup.escape(Text.of(input, budget), budget))));

    private TextFilters() {}

    /// Returns the value as text that keeps its safe mark.
    private static Object soft(Object input, Budget budget) {
        return input instanceof Markup ? input : Text.of(input, budget);
    }

    private static Filter method(String name) {
        return (input, arguments, budget) ->
                StringMethods.call(
                        soft(input, budget), Text.of(input, budget), name, arguments, budget);
    }

    /// Capitalizes after blanks, hyphens and opening brackets only, unlike the method of that name.
    private static Object title(Object input, CallArguments arguments, Budget budget) {
        arguments.bind("title");
        String text = Text.of(input, budget);
        budget.text(text.length());
        var titled = new StringBuilder();
        int from = 0;
        for (int at = 0; at <= text.length(); at++) {
            boolean boundary = at == text.length() || isBoundary(text.charAt(at));
            if (boundary) {
                titled.append(capital(text.substring(from, at)));
                titled.append(at < text.length() ? text.substring(at, at + 1) : "");
                from = at + 1;
            }
        }
        return titled.toString();
    }

    private static String capital(String word) {
        int first = word.isEmpty() ? 0 : word.offsetByCodePoints(0, 1);
        return StringMethods.upper(word.substring(0, first))
                + StringMethods.lower(word.substring(first));
    }

    private static boolean isBoundary(char character) {
        return CharacterTests.isSpace(character) || "-({[<".indexOf(character) >= 0;
    }

    private static Object replace(Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound = arguments.bind("replace", "old", "new", "count");
        String old = Text.of(bound.required("old"), budget);
        String fresh = Text.of(bound.required("new"), budget);
        long count = bound.value("count", None.NONE) == None.NONE ? -1 : bound.integer("count", -1);
        return TextSearch.replace(Text.of(input, budget), old, fresh, count, budget);
    }

    private static Object center(Object input, CallArguments arguments, Budget budget) {
        long width = arguments.bind("center", "width").integer("width", 80);
        return StringMethods.call(
                soft(input, budget),
                Text.of(input, budget),
                "center",
                CallArguments.of(width),
                budget);
    }

    private static Object indent(Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound = arguments.bind("indent", "width", "first", "blank");
        Object width = bound.value("width", 4L);
        String margin =
                Values.isText(width)
                        ? width.toString()
                        : " ".repeat(budget.text(Math.max(0, bound.integer("width", 4))));
        boolean blank = bound.truth("blank", false);
        List<Object> lines = TextSplit.lines(text("indent", input) + "\n", false, budget);
        var output = new Output(budget);
        for (int index = 0; index < lines.size(); index++) {
            String line = lines.get(index).toString();
            boolean indents = index == 0 ? bound.truth("first", false) : blank || !line.isEmpty();
            output.append(index == 0 ? "" : "\n").append(indents ? margin : "").append(line);
        }
        return Markup.like(input, output.toString());
    }

    /// Returns the value, which must already be a text.
    private static String text(String filter, Object input) {
        if (input instanceof Undefined missing) {
            throw missing.used();
        }
        if (!Values.isText(input)) {
            throw new TemplateException(filter + "() needs a text, not " + Values.typeName(input));
        }
        return input.toString();
    }

    private static Object truncate(Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound =
                arguments.bind("truncate", "length", "killwords", "end", "leeway");
        String end = bound.text("end", "...");
        long length = bound.integer("length", 255);
        long leeway =
                bound.value("leeway", None.NONE) == None.NONE ? 5 : bound.integer("leeway", 5);
        long endLength = end.codePointCount(0, end.length());
        if (length < endLength || leeway < 0) {
            throw new TemplateException("truncate() needs a length of at least " + endLength);
        }
        if (Values.length(input) <= length + leeway) {
            return input;
        }
        String text = text("truncate", input);
        String cut = text.substring(0, text.offsetByCodePoints(0, (int) (length - endLength)));
        int blank = cut.lastIndexOf(' ');
        boolean keepsWords = !bound.truth("killwords", false) && blank >= 0;
        Object kept = Markup.like(input, keepsWords ? cut.substring(0, blank) : cut);
        return Operators.binary(Expression.BinaryOperator.ADD, kept, end, budget);
    }

    private static Object wordCount(Object input, CallArguments arguments, Budget budget) {
        arguments.bind("wordcount");
        String text = Text.of(input, budget);
        budget.text(text.length());
        long words = 0;
        boolean inWord = false;
        for (int at = 0; at < text.length(); at++) {
            boolean part = CharacterTests.isNamePart(text.charAt(at));
            words += part && !inWord ? 1 : 0;
            inWord = part;
        }
        return words;
    }

    private static Object format(Object input, CallArguments arguments, Budget budget) {
        if (!arguments.named().isEmpty() && !arguments.positional().isEmpty()) {
            throw new TemplateException(
                    "can't handle positional and keyword arguments at the same time");
        }
        Object values =
                arguments.named().isEmpty()
                        ? new Tuple(arguments.positional())
                        : new LinkedHashMap<Object, Object>(arguments.named());
        return PercentFormat.format(soft(input, budget), values, budget);
    }
}
