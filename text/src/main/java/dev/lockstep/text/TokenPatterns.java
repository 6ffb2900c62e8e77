// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A lookup of the pattern for a regular expression of a tokenizer file.
final class TokenPatterns {
    private static final String CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private static final String SPACES = "|\\s+(?!\\S)|\\s+";
    private static final String LINES = "|\\s*[\\r\\n]+" + SPACES;
    private static final Map<String, TokenPattern> KNOWN = known();

    /// One class with an optional preceding white-space character and an optional count.
    private static final Pattern RUN =
            Pattern.compile(
                    "(\\\\s\\?)?(\\[(?:[^\\[\\]\\\\]|\\\\.)+]|\\\\p\\{\\w+}|\\\\d)(\\+|\\{(\\d{1,4})(?:,(\\d{1,4}))?})?");

    private TokenPatterns() {}

    static TokenPattern of(String expression) {
        String canonical = expression.replace("\r", "\\r").replace("\n", "\\n");
        TokenPattern known = KNOWN.get(canonical);
        if (known != null) {
            return known;
        }
        Matcher run = RUN.matcher(canonical);
        if (run.matches()) {
            try {
                return run(run);
            } catch (IllegalArgumentException e) {
                return new RegexPattern(expression);
            }
        }
        return new RegexPattern(expression);
    }

    private static TokenPattern run(Matcher run) {
        String set = run.group(2);
        CharacterSet characters =
                CharacterClass.parse(
                        set.startsWith("[") ? set.substring(1, set.length() - 1) : set);
        int min = 1;
        int max = 1;
        if ("+".equals(run.group(3))) {
            max = Integer.MAX_VALUE;
        } else if (run.group(4) != null) {
            min = Integer.parseInt(run.group(4));
            max = run.group(5) == null ? min : Integer.parseInt(run.group(5));
        }
        return new RunPattern(run.group(1) != null, characters, min, max);
    }

    private static Map<String, TokenPattern> known() {
        Map<String, TokenPattern> known = new HashMap<>();
        String gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+";
        known.put(gpt2 + SPACES, new Gpt2Pattern());
        known.put(
                "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+" + SPACES,
                new Gpt2Pattern());
        known.put("\\s+$", new TrailingSpacePattern());
        known.put("[0-9][0-9][0-9]", new RunPattern(false, CharacterClass.parse("0-9"), 3, 3));
        known.put("\\w+|[^\\w\\s]+", new WordPattern(true));
        known.put(
                "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
                        + "| ?[\\p{P}\\p{S}]+[\\r\\n]*"
                        + LINES,
                new DeepSeek3Pattern());
        putCl100k(known, "\\p{N}", 1);
        putCl100k(known, "\\p{N}{1}", 1);
        putCl100k(known, "\\p{N}{1,2}", 2);
        putCl100k(known, "\\p{N}{1,3}", 3);
        putO200k(known, "\\p{N}", 1);
        putO200k(known, "\\p{N}{1,3}", 3);
        return Map.copyOf(known);
    }

    private static void putCl100k(Map<String, TokenPattern> known, String numbers, int digits) {
        String words =
                "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
                        + numbers
                        + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                        + LINES;
        known.put(CONTRACTIONS + words, new Cl100kPattern(digits, true, false));
        known.put(words.substring(1), new Cl100kPattern(digits, false, false));
        // A possessive count and a single line break match the same here: no following part needs
        // backtracking.
        known.put(
                "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|"
                        + numbers
                        + "| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]"
                        + SPACES,
                new Cl100kPattern(digits, true, false));
        known.put(
                CONTRACTIONS
                        + "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|"
                        + numbers
                        + "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*"
                        + LINES,
                new Cl100kPattern(digits, true, true));
    }

    private static void putO200k(Map<String, TokenPattern> known, String numbers, int digits) {
        String upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
        String lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
        for (boolean contractions : new boolean[] {true, false}) {
            String end = contractions ? CONTRACTIONS + "?" : "";
            known.put(
                    "[^\\r\\n\\p{L}\\p{N}]?"
                            + upper
                            + "*"
                            + lower
                            + "+"
                            + end
                            + "|[^\\r\\n\\p{L}\\p{N}]?"
                            + upper
                            + "+"
                            + lower
                            + "*"
                            + end
                            + "|"
                            + numbers
                            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
                            + LINES,
                    new O200kPattern(digits, contractions));
        }
    }
}
