// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// Split patterns cut texts where the format's own library cuts them.
final class RegexOracleTest {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final String[] BEHAVIORS = {
        "Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"
    };

    private static final String[] EMPTY = {
        "(?=(\\d{3})+(?!\\d))",
        "x*",
        "a?|b",
        "$",
        "^",
        "\\b",
        "\\B",
        "(?<=\\s)",
        "(?<=[a-z])(?=[A-Z])|\\d*",
    };

    private static final String[] EXPRESSIONS = {
        // Word characters and boundaries.
        "\\w",
        "\\W",
        "[\\w]",
        "[^\\w]",
        "[\\W\\d]",
        "\\w+",
        "\\w+|[^\\w\\s]+",
        "\\b\\w",
        "\\p{Word}",
        "[\\p{Word}]",
        "[[:word:]]",
        "\\w*\\b",
        // Other classes.
        "\\h",
        "\\H+",
        "\\v",
        "\\R",
        "\\N+",
        "\\O",
        ".",
        "(?m:.+)",
        "\\s",
        "\\S+",
        "\\d",
        "\\D+",
        "[\\h_]+",
        "[\\s\\d]",
        "[[:alpha:]]",
        "[[:^alpha:]]",
        "[[:punct:]]+",
        "[[:alnum:][:space:]]+",
        "[[:upper:]]",
        "[[:lower:]]+",
        "[[:blank:]]",
        "[[:graph:]]+",
        "[[:print:]]+",
        "[[:cntrl:]]",
        "[[:xdigit:]]+",
        "[[:digit:]]+",
        "[a[:]]+",
        "[[:][a]]+",
        "[[:a]b]+[x:]",
        "\\p{Punct}",
        "\\p{Alpha}+",
        "\\p{Alnum}",
        "\\p{Space}",
        "\\p{L}",
        "\\p{Letter}+",
        "\\p{uppercase_letter}",
        "\\p{Han}",
        "\\P{Han}+",
        "\\p{^Han}",
        "\\P{^Han}",
        "[\\p{Hiragana}\\p{katakana}]+",
        "[^\\p{Han}\\s]+",
        "\\p{Emoji}",
        "\\pL",
        "\\p{Any}",
        "\\p{Nd}+",
        "\\P{L}+",
        "[^\\P{L}]+",
        // Repetition.
        "\\p{N}{1,3}+",
        "\\d{2}?",
        "a{,2}",
        "a{2,}+",
        "[a-z]{1,2}?",
        "a{x",
        "(?:ab){2}+",
        "\\p{L}++",
        "(ab)*+|.",
        "x{1}",
        // Groups, options, brackets.
        "T(?i)h|e",
        "(?i)THE|[a-b]",
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        "(?#note)th",
        "(?<word>t)he",
        "(?>a|ab)b",
        "(t)h\\1?",
        "(?:a(?i)b|x)t",
        "[]a]",
        "[a-]+",
        "[^]a]",
        "[\\w&&[^t]]+",
        "[^a-z[0-9]]+",
        "[a^]",
        "\\x{48}",
        "\\x41",
        "\\u00e9",
        "[\\x{61}-\\x{7A}]",
        "\\.",
        "\\-",
        "\\é",
        "}",
        "]",
        "(?<!\\d)1",
        "\\Athe",
        "e\\z",
        "e\\Z"
    };

    @Test
    void everyConstructCutsAsTheLibraryDoes() {
        for (String expression : EXPRESSIONS) {
            assertTrue(isSame(expression, "Isolated", false, 10), expression);
        }
    }

    @Test
    void emptyMatchesCutWithEveryBehaviour() {
        for (String expression : EMPTY) {
            for (String behavior : BEHAVIORS) {
                assertTrue(isSame(expression, behavior, false, 10), expression);
                assertTrue(isSame(expression, behavior, true, 10), expression);
            }
        }
    }

    /// Up to U+2FFF, whose characters changed little since both tables were made.
    @Test
    void everySetContainsTheCharactersThatTheLibraryCounts() {
        String[] sets = {
            "\\w",
            "[\\w]",
            "\\W",
            "\\p{Word}",
            "[[:word:]]",
            "[[:punct:]]",
            "\\p{Punct}",
            "[[:graph:]]",
            "[[:print:]]",
            "[[:alnum:]]",
            "[[:upper:]]",
            "[[:lower:]]",
            "[[:cntrl:]]",
            "[[:blank:]]",
            "\\s",
            "\\d",
            "\\h",
            "\\R",
            "\\p{Han}",
            "\\p{Greek}",
            "\\p{LC}",
            "\\p{M}",
            "\\p{S}",
            "\\p{Cf}",
            "\\p{Emoji}"
        };
        for (String set : sets) {
            ObjectNode root = tokenizer(set, "Isolated", false);
            List<PreTokenizer> steps =
                    PreTokenizerJson.read(new JsonPart("", root.get("pre_tokenizer")));
            try (var reference =
                    new ReferenceTokenizer(root.toString().getBytes(StandardCharsets.UTF_8))) {
                for (int start = 1; start < 0x3000; start += 64) {
                    var text = new StringBuilder();
                    for (int c = start; c < start + 64; c++) {
                        if (Character.isDefined(c)) {
                            text.appendCodePoint(c).append('~');
                        }
                    }
                    assertArrayEquals(
                            reference.wordLengths(text.toString()),
                            lengths(steps, text.toString()),
                            set + " from " + Integer.toHexString(start));
                }
            }
        }
    }

    @Test
    void randomExpressionsCutAsTheLibraryDoes() {
        var random = new Random(3);
        int compared = 0;
        for (int i = 0; i < 200; i++) {
            String behavior = BEHAVIORS[random.nextInt(BEHAVIORS.length)];
            compared += isSame(expression(random, 2), behavior, random.nextBoolean(), 4) ? 1 : 0;
        }
        assertTrue(compared > 150, "compared only " + compared);
    }

    private static String expression(Random random, int depth) {
        String[] atoms = {
            "a",
            "t",
            "th",
            ".",
            "\\w",
            "\\W",
            "\\s",
            "\\d",
            "\\h",
            "\\p{L}",
            "\\P{L}",
            "\\p{Han}",
            "[a-f\\d]",
            "[^\\s\\p{P}]",
            "[[:punct:]_]",
            "[\\W&&[^\\s]]",
            "\\n",
            "1",
            "'"
        };
        String[] places = {"\\b", "\\B", "$", "^", "(?=\\w)", "(?!\\d)", "(?<=e)", "(?<!\\s)"};
        // No repetition without a bound that backtracks: the library ends the process at its limit.
        String[] suffixes = {"", "", "", "++", "*+", "?", "{2}", "{1,2}", "{,2}", "{2}?", "{1,2}?"};
        var built = new StringBuilder();
        for (int i = 1 + random.nextInt(3); i > 0; i--) {
            if (random.nextInt(5) == 0) {
                built.append(places[random.nextInt(places.length)]);
                continue;
            }
            if (depth > 0 && random.nextInt(4) == 0) {
                String[] groups = {"(", "(?:", "(?>", "(?i:", "(?i)(?:"};
                built.append(groups[random.nextInt(groups.length)])
                        .append(expression(random, depth - 1))
                        .append(random.nextInt(3) == 0 ? "|" + expression(random, depth - 1) : "")
                        .append(')')
                        .append(random.nextBoolean() ? "" : "?");
                continue;
            }
            built.append(atoms[random.nextInt(atoms.length)]);
            built.append(suffixes[random.nextInt(suffixes.length)]);
        }
        return built.toString();
    }

    /// Compares the pieces of random texts; returns false where either side refuses the expression.
    private static boolean isSame(String expression, String behavior, boolean invert, int count) {
        ObjectNode root = tokenizer(expression, behavior, invert);
        List<PreTokenizer> steps;
        try {
            steps = PreTokenizerJson.read(new JsonPart("", root.get("pre_tokenizer")));
        } catch (IllegalArgumentException refused) {
            return false;
        }
        var texts = new RandomText(expression.length());
        try (var reference =
                new ReferenceTokenizer(root.toString().getBytes(StandardCharsets.UTF_8))) {
            for (int i = 0; i < count; i++) {
                String text = i == 0 ? "1234 the x\u200Dy a²b abAB\n" : texts.next();
                assertArrayEquals(
                        reference.wordLengths(text),
                        lengths(steps, text),
                        expression
                                + " "
                                + behavior
                                + (invert ? " inverted" : "")
                                + " on «"
                                + text
                                + "»");
            }
            return true;
        } catch (RuntimeException refused) {
            if (String.valueOf(refused.getMessage()).contains("Oniguruma")) {
                return false;
            }
            throw refused;
        }
    }

    private static int[] lengths(List<PreTokenizer> steps, String text) {
        Pieces pieces = Pieces.whole(text.toCharArray(), true);
        for (PreTokenizer step : steps) {
            pieces = step.apply(pieces);
        }
        int[] lengths = new int[pieces.count()];
        for (int i = 0; i < lengths.length; i++) {
            lengths[i] = pieces.end(i) - pieces.start(i);
        }
        return lengths;
    }

    /// Returns a tokenizer with one token per byte, so that a word has as many tokens as bytes.
    private static ObjectNode tokenizer(String expression, String behavior, boolean invert) {
        ObjectNode root = MAPPER.createObjectNode().put("version", "1.0");
        ObjectNode model = root.putObject("model").put("type", "BPE");
        model.putArray("merges");
        ObjectNode vocabulary = model.putObject("vocab");
        for (int b = 0; b < 256; b++) {
            vocabulary.put(String.valueOf(ByteLevel.character(b)), b);
        }
        ObjectNode sequence = root.putObject("pre_tokenizer").put("type", "Sequence");
        var steps = sequence.putArray("pretokenizers");
        steps.addObject()
                .put("type", "Split")
                .put("behavior", behavior)
                .put("invert", invert)
                .putObject("pattern")
                .put("Regex", expression);
        steps.addObject()
                .put("type", "ByteLevel")
                .put("add_prefix_space", false)
                .put("trim_offsets", true)
                .put("use_regex", false);
        return root;
    }
}
