// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The named character sets of Oniguruma, each as the content of a bracket expression of the JDK.
final class OnigurumaSet {
    /// `\w` within brackets.
    static final String WORD = "\\p{IsAlphabetic}\\p{M}\\p{Nd}\\p{Pc}";

    /// `\w` outside brackets, where Oniguruma's table of Latin-1 also counts these numbers as word
    /// characters.
    static final String WORD_ALONE = WORD + "²³¹¼½¾";

    static final String SPACE = "\\p{IsWhite_Space}";
    static final String DIGIT = "\\p{Nd}";
    static final String HEX_DIGIT = "0-9A-Fa-f";

    private static final Map<String, String> POSIX =
            Map.ofEntries(
                    Map.entry("alnum", "\\p{IsAlphabetic}\\p{Nd}"),
                    Map.entry("alpha", "\\p{IsAlphabetic}"),
                    Map.entry("ascii", "\\x00-\\x7F"),
                    Map.entry("blank", "\\t\\p{Zs}"),
                    Map.entry("cntrl", "\\p{Cc}"),
                    Map.entry("digit", DIGIT),
                    Map.entry("graph", "[^\\p{IsWhite_Space}\\p{Cc}\\p{Cn}\\p{Cs}]"),
                    Map.entry("lower", "\\p{IsLowercase}"),
                    Map.entry("print", "\\p{Zs}[^\\p{IsWhite_Space}\\p{Cc}\\p{Cn}\\p{Cs}]"),
                    Map.entry("punct", "\\p{P}\\p{S}"),
                    Map.entry("space", SPACE),
                    Map.entry("upper", "\\p{IsUppercase}"),
                    Map.entry("xdigit", HEX_DIGIT),
                    Map.entry("word", WORD));

    private static final String CATEGORIES =
            "L Letter, Lu UppercaseLetter, Ll LowercaseLetter, Lt TitlecaseLetter, LC CasedLetter,"
                    + " Lm ModifierLetter, Lo OtherLetter, M Mark, M CombiningMark, Mn NonspacingMark, Mc SpacingMark,"
                    + " Me EnclosingMark, N Number, Nd DecimalNumber, Nl LetterNumber, No OtherNumber,"
                    + " P Punctuation, P Punct, Pc ConnectorPunctuation, Pd DashPunctuation, Ps OpenPunctuation,"
                    + " Pe ClosePunctuation, Pi InitialPunctuation, Pf FinalPunctuation, Po OtherPunctuation,"
                    + " S Symbol, Sm MathSymbol, Sc CurrencySymbol, Sk ModifierSymbol, So OtherSymbol,"
                    + " Z Separator, Zs SpaceSeparator, Zl LineSeparator, Zp ParagraphSeparator,"
                    + " C Other, Cc Control, Cf Format, Cs Surrogate, Co PrivateUse, Cn Unassigned";

    private static final String BINARY =
            "Alphabetic, Uppercase, Lowercase, White_Space, Ideographic, Hex_Digit, Join_Control, Emoji,"
                    + " Emoji_Presentation, Emoji_Modifier, Emoji_Modifier_Base, Emoji_Component, Extended_Pictographic";

    private static final Map<String, String> PROPERTIES = properties();

    private OnigurumaSet() {}

    /// Returns the set of `[:name:]`.
    static String posix(String name) {
        return required(POSIX.get(name), "[:" + name + ":]");
    }

    /// Returns the set of `\p{name}`, whose case, spaces, `_` and `-` do not count.
    static String property(String name) {
        return required(PROPERTIES.get(folded(name)), "\\p{" + name + "}");
    }

    private static String required(@Nullable String set, String written) {
        if (set == null) {
            throw new IllegalArgumentException("the class " + written + " is not supported");
        }
        return set;
    }

    private static String folded(String name) {
        return name.replaceAll("[ _-]", "").toLowerCase(Locale.ROOT);
    }

    private static Map<String, String> properties() {
        Map<String, String> properties = new HashMap<>();
        for (Character.UnicodeScript script : Character.UnicodeScript.values()) {
            properties.put(folded(script.name()), "\\p{Is" + script.name() + "}");
        }
        properties.putAll(POSIX);
        properties.put("any", "\\x{0}-\\x{10FFFF}");
        properties.put("assigned", "\\P{Cn}");
        for (String category : CATEGORIES.split(", ", -1)) {
            String[] names = category.split(" ", -1);
            properties.put(folded(names[0]), "\\p{" + names[0] + "}");
            properties.put(folded(names[1]), "\\p{" + names[0] + "}");
        }
        for (String property : BINARY.split(", ", -1)) {
            properties.put(folded(property), "\\p{Is" + property + "}");
        }
        return properties;
    }
}
