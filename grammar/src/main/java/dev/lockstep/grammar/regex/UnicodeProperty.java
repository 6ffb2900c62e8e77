// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

import static java.util.Map.entry;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.IntPredicate;

/// Properties of code points by the names of the Unicode database, as far as the JDK has them.
final class UnicodeProperty {
    private static final Map<String, String> LONG_NAMES =
            Map.ofEntries(
                    entry("letter", "L"), entry("cased_letter", "LC"),
                    entry("uppercase_letter", "Lu"), entry("lowercase_letter", "Ll"),
                    entry("titlecase_letter", "Lt"), entry("modifier_letter", "Lm"),
                    entry("other_letter", "Lo"), entry("mark", "M"),
                    entry("nonspacing_mark", "Mn"), entry("spacing_mark", "Mc"),
                    entry("enclosing_mark", "Me"), entry("number", "N"),
                    entry("decimal_number", "Nd"), entry("digit", "Nd"),
                    entry("letter_number", "Nl"), entry("other_number", "No"),
                    entry("punctuation", "P"), entry("connector_punctuation", "Pc"),
                    entry("dash_punctuation", "Pd"), entry("open_punctuation", "Ps"),
                    entry("close_punctuation", "Pe"), entry("initial_punctuation", "Pi"),
                    entry("final_punctuation", "Pf"), entry("other_punctuation", "Po"),
                    entry("symbol", "S"), entry("math_symbol", "Sm"),
                    entry("currency_symbol", "Sc"), entry("modifier_symbol", "Sk"),
                    entry("other_symbol", "So"), entry("separator", "Z"),
                    entry("space_separator", "Zs"), entry("line_separator", "Zl"),
                    entry("paragraph_separator", "Zp"), entry("other", "C"),
                    entry("control", "Cc"), entry("format", "Cf"),
                    entry("private_use", "Co"), entry("unassigned", "Cn"));
    private static final Map<String, IntPredicate> BINARY =
            Map.ofEntries(
                    entry("any", _ -> true),
                    entry("ascii", c -> c < 0x80),
                    entry("alphabetic", Character::isAlphabetic),
                    entry("alpha", Character::isAlphabetic),
                    entry("uppercase", Character::isUpperCase),
                    entry("lowercase", Character::isLowerCase),
                    entry("ideographic", Character::isIdeographic),
                    entry("emoji", Character::isEmoji),
                    entry("white_space", UnicodeProperty::isSpace),
                    entry("assigned", c -> Character.getType(c) != Character.UNASSIGNED));
    private static final Map<Integer, String> CATEGORIES = categories();

    /// One entry per known property at most.
    private static final Map<String, CodePoints> MADE = new ConcurrentHashMap<>();

    private UnicodeProperty() {}

    static Optional<CodePoints> named(String name) {
        CodePoints made = MADE.get(name);
        if (made != null) {
            return Optional.of(made);
        }
        return predicate(name)
                .map(
                        predicate -> {
                            CodePoints set = CodePoints.where(predicate);
                            MADE.put(name, set);
                            return set;
                        });
    }

    /// Python's and Rust's `\w`.
    static CodePoints word() {
        return MADE.computeIfAbsent(
                "\\w",
                _ ->
                        CodePoints.where(
                                c ->
                                        c == '_'
                                                || Character.isLetterOrDigit(c)
                                                || Character.getType(c) == Character.LETTER_NUMBER
                                                || Character.getType(c) == Character.OTHER_NUMBER));
    }

    private static boolean isSpace(int c) {
        return Character.isSpaceChar(c) || (c >= 9 && c <= 13) || c == 0x85;
    }

    private static Optional<IntPredicate> predicate(String name) {
        int equals = name.indexOf('=');
        if (equals >= 0) {
            String key = name.substring(0, equals).toLowerCase(Locale.ROOT);
            String value = name.substring(equals + 1);
            return switch (key) {
                case "script", "sc" -> script(value);
                case "general_category", "gc" -> category(value);
                default -> Optional.empty();
            };
        }
        Optional<IntPredicate> category = category(name);
        if (category.isPresent()) {
            return category;
        }
        IntPredicate binary = BINARY.get(name.toLowerCase(Locale.ROOT));
        return binary == null ? Optional.empty() : Optional.of(binary);
    }

    private static Optional<IntPredicate> script(String name) {
        try {
            Character.UnicodeScript script = Character.UnicodeScript.forName(name);
            return Optional.of(c -> Character.UnicodeScript.of(c) == script);
        } catch (IllegalArgumentException _) {
            return Optional.empty();
        }
    }

    private static Optional<IntPredicate> category(String name) {
        String category = LONG_NAMES.getOrDefault(name.toLowerCase(Locale.ROOT), name);
        if (category.equals("LC")) {
            return Optional.of(
                    c -> {
                        int type = Character.getType(c);
                        return type >= Character.UPPERCASE_LETTER
                                && type <= Character.TITLECASE_LETTER;
                    });
        }
        boolean known = CATEGORIES.values().stream().anyMatch(c -> c.startsWith(category));
        if (!known || category.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(
                c -> CATEGORIES.getOrDefault(Character.getType(c), "").startsWith(category));
    }

    private static Map<Integer, String> categories() {
        var names = new HashMap<Integer, String>();
        String[] order = {
            "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Me", "Mc", "Nd", "Nl", "No", "??", "Zs",
                    "Zl",
            "Zp", "Cc", "Cf", "??", "Co", "Cs", "Pd", "Ps", "Pe", "Pc", "Po", "Sm", "Sc", "Sk",
                    "So",
            "Pi", "Pf"
        };
        for (int type = 0; type < order.length; type++) {
            names.put(type, order[type]);
        }
        return Map.copyOf(names);
    }
}
