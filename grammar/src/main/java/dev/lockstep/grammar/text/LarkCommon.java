// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.text;

import static java.util.Map.entry;

import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Dialect;
import dev.lockstep.grammar.regex.RegexSyntax;
import java.util.Map;
import java.util.Optional;

/// The terminals of Lark's module `common`.
final class LarkCommon {
    private static final String INT = "[0-9]+";
    private static final String DECIMAL = "(?:[0-9]+\\.[0-9]*|\\.[0-9]+)";
    private static final String FLOAT =
            "(?:[0-9]+[eE][+-]?[0-9]+|" + DECIMAL + "(?:[eE][+-]?[0-9]+)?)";

    private static final Map<String, String> PATTERNS =
            Map.ofEntries(
                    entry("DIGIT", "[0-9]"),
                    entry("HEXDIGIT", "[0-9a-fA-F]"),
                    entry("INT", INT),
                    entry("SIGNED_INT", "[+-]?" + INT),
                    entry("DECIMAL", DECIMAL),
                    entry("FLOAT", FLOAT),
                    entry("SIGNED_FLOAT", "[+-]?" + FLOAT),
                    entry("NUMBER", "(?:" + FLOAT + "|" + INT + ")"),
                    entry("SIGNED_NUMBER", "[+-]?(?:" + FLOAT + "|" + INT + ")"),
                    entry("ESCAPED_STRING", "\"(?:[^\"\\\\\\n]|\\\\[^\\n])*\""),
                    entry("LCASE_LETTER", "[a-z]"),
                    entry("UCASE_LETTER", "[A-Z]"),
                    entry("LETTER", "[A-Za-z]"),
                    entry("WORD", "[A-Za-z]+"),
                    entry("CNAME", "[A-Za-z_][A-Za-z0-9_]*"),
                    entry("WS_INLINE", "[ \\t]+"),
                    entry("WS", "[ \\t\\f\\r\\n]+"),
                    entry("CR", "\\r"),
                    entry("LF", "\\n"),
                    entry("NEWLINE", "(?:\\r?\\n)+"),
                    entry("SH_COMMENT", "#[^\\n]*"),
                    entry("CPP_COMMENT", "//[^\\n]*"),
                    entry("SQL_COMMENT", "--[^\\n]*"),
                    entry("C_COMMENT", "/\\*(?:[^*]|\\*+[^*/])*\\*+/"));

    private LarkCommon() {}

    static Optional<Regex> named(String name) {
        String pattern = PATTERNS.get(name);
        return pattern == null
                ? Optional.empty()
                : Optional.of(RegexSyntax.whole(pattern, Dialect.PYTHON));
    }
}
