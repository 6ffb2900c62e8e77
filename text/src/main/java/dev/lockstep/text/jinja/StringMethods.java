// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.text.Normalizer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.IntPredicate;

/// The methods of texts; positions count code points, and a safe text yields safe texts.
final class StringMethods {
    private static final Set<String> UNSUPPORTED =
            Set.of("encode", "format_map", "isidentifier", "maketrans", "translate");
    private static final Set<String> NAMES =
            Set.of(
                    "capitalize",
                    "casefold",
                    "center",
                    "count",
                    "endswith",
                    "expandtabs",
                    "find",
                    "format",
                    "index",
                    "isalnum",
                    "isalpha",
                    "isascii",
                    "isdecimal",
                    "isdigit",
                    "islower",
                    "isnumeric",
                    "isprintable",
                    "isspace",
                    "istitle",
                    "isupper",
                    "join",
                    "ljust",
                    "lower",
                    "lstrip",
                    "partition",
                    "removeprefix",
                    "removesuffix",
                    "replace",
                    "rfind",
                    "rindex",
                    "rjust",
                    "rpartition",
                    "rsplit",
                    "rstrip",
                    "split",
                    "splitlines",
                    "startswith",
                    "strip",
                    "swapcase",
                    "title",
                    "upper",
                    "zfill");
    private static final Map<String, IntPredicate> EVERY_CHARACTER =
            Map.of(
                    "isalnum", StringMethods::isAlphanumeric,
                    "isalpha", Character::isLetter,
                    "isdecimal", Character::isDigit,
                    "isdigit", StringMethods::isDigit,
                    "isnumeric", StringMethods::isNumeric,
                    "isspace", CharacterTests::isSpace);

    private StringMethods() {}

    static boolean has(String name) {
        return NAMES.contains(name) || UNSUPPORTED.contains(name);
    }

    /// Calls a method on `text`; `receiver` is the same text with its safe mark, if any.
    static Object call(
            Object receiver, String text, String name, CallArguments arguments, Budget budget) {
        budget.text(text.length());
        if (EVERY_CHARACTER.containsKey(name)) {
            arguments.bind(name);
            return !text.isEmpty() && text.codePoints().allMatch(EVERY_CHARACTER.get(name));
        }
        return switch (name) {
            case "upper", "lower", "casefold", "capitalize", "title", "swapcase" -> {
                arguments.bind(name);
                yield Markup.like(receiver, TextCase.convert(name, text, budget));
            }
            case "islower", "isupper", "istitle", "isascii", "isprintable" -> {
                arguments.bind(name);
                yield TextCase.test(name, text);
            }
            case "strip", "lstrip", "rstrip" -> {
                CallArguments.Bound bound = arguments.bind(name, "chars");
                IntPredicate strips =
                        bound.optionalText("chars")
                                .map(StringMethods::anyOf)
                                .orElse(CharacterTests::isSpace);
                yield Markup.like(
                        receiver,
                        strip(text, strips, !name.equals("rstrip"), !name.equals("lstrip")));
            }
            case "startswith", "endswith" -> affix(text, name, arguments, budget);
            case "removeprefix" -> {
                String prefix = arguments.bind(name, "prefix").text("prefix", "");
                yield Markup.like(
                        receiver, text.startsWith(prefix) ? text.substring(prefix.length()) : text);
            }
            case "removesuffix" -> {
                String suffix = arguments.bind(name, "suffix").text("suffix", "");
                yield Markup.like(
                        receiver,
                        text.endsWith(suffix)
                                ? text.substring(0, text.length() - suffix.length())
                                : text);
            }
            case "replace" -> {
                CallArguments.Bound bound = arguments.bind(name, "old", "new", "count");
                String old = like(receiver, bound.required("old"), bound.text("old", ""), budget);
                String fresh = like(receiver, bound.required("new"), bound.text("new", ""), budget);
                yield Markup.like(
                        receiver,
                        TextSearch.replace(text, old, fresh, bound.integer("count", -1), budget));
            }
            case "split", "rsplit", "splitlines", "partition", "rpartition" ->
                    marked(receiver, TextSplit.split(text, name, arguments, budget));
            case "count", "find", "rfind", "index", "rindex" ->
                    TextSearch.find(text, name, arguments, budget);
            case "join" -> join(receiver, text, arguments, budget);
            case "format" ->
                    Markup.like(receiver, BraceFormat.format(receiver, text, arguments, budget));
            case "center", "ljust", "rjust", "zfill", "expandtabs" ->
                    Markup.like(receiver, TextPadding.pad(text, name, arguments, budget));
            default -> throw new TemplateException("the method str." + name + " is not supported");
        };
    }

    private static String like(Object receiver, Object value, String text, Budget budget) {
        return receiver instanceof Markup ? Markup.escape(value, budget) : text;
    }

    private static Object marked(Object receiver, List<Object> parts) {
        if (!(receiver instanceof Markup)) {
            return parts;
        }
        List<Object> marked = new ArrayList<>();
        parts.forEach(part -> marked.add(Markup.like(receiver, part.toString())));
        return parts instanceof Tuple ? new Tuple(marked) : marked;
    }

    private static IntPredicate anyOf(String characters) {
        var set = new BitSet();
        characters.codePoints().forEach(set::set);
        return set::get;
    }

    static String strip(String text, IntPredicate strips, boolean start, boolean end) {
        int from = 0;
        int to = text.length();
        while (start && from < to && strips.test(text.codePointAt(from))) {
            from += Character.charCount(text.codePointAt(from));
        }
        while (end && to > from && strips.test(text.codePointBefore(to))) {
            to -= Character.charCount(text.codePointBefore(to));
        }
        return text.substring(from, to);
    }

    private static Object affix(String text, String name, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound = arguments.bind(name, "prefix", "start", "end");
        Object wanted = bound.required("prefix");
        Object part =
                Access.slice(
                        text,
                        bound.value("start", None.NONE),
                        bound.value("end", None.NONE),
                        None.NONE,
                        budget);
        List<Object> choices = wanted instanceof Tuple tuple ? tuple : List.of(wanted);
        for (Object choice : choices) {
            if (!Values.isText(choice)) {
                throw new TemplateException(
                        name
                                + " first arg must be str or a tuple of str, not "
                                + Values.typeName(choice));
            }
            budget.text(choice.toString().length());
            boolean found =
                    name.equals("startswith")
                            ? part.toString().startsWith(choice.toString())
                            : part.toString().endsWith(choice.toString());
            if (found) {
                return true;
            }
        }
        return false;
    }

    private static Object join(
            Object receiver, String separator, CallArguments arguments, Budget budget) {
        Object parts = arguments.bind("join", "iterable").required("iterable");
        var joined = new Output(budget);
        int index = 0;
        for (Object part : Values.iterate(parts, budget)) {
            if (!Values.isText(part)) {
                throw new TemplateException(
                        "sequence item "
                                + index
                                + ": expected str instance, "
                                + Values.typeName(part)
                                + " found");
            }
            joined.append(index == 0 ? "" : separator)
                    .append(like(receiver, part, part.toString(), budget));
            index++;
        }
        return Markup.like(receiver, joined.toString());
    }

    /// Returns whether the character is a decimal digit or a sign that represents one, such as ².
    private static boolean isDigit(int character) {
        String plain = Normalizer.normalize(Character.toString(character), Normalizer.Form.NFKC);
        return Character.isDigit(character)
                || (plain.length() == 1 && Character.isDigit(plain.charAt(0)));
    }

    private static boolean isAlphanumeric(int character) {
        return Character.isLetter(character) || isNumeric(character);
    }

    private static boolean isNumeric(int character) {
        int type = Character.getType(character);
        return type == Character.DECIMAL_DIGIT_NUMBER
                || type == Character.LETTER_NUMBER
                || type == Character.OTHER_NUMBER;
    }

    static String lower(String text) {
        return text.toLowerCase(Locale.ROOT);
    }

    static String upper(String text) {
        return text.toUpperCase(Locale.ROOT);
    }
}
