// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class UnigramModelTest {
    private static final String[] PIECES = {"a", "b", "ab", "ba", "aab", "abab", "bb", "c"};
    private static final double[] SCORES = {-2, -2.5, -3.1, -3.7, -4.2, -6.05, -4.9, -8};

    /// Uses irregular scores, so that two splits of a word never have equal totals.
    @Test
    void theBestOfAllSplitsIsFound() {
        Tokenizer tokenizer = tokenizer(new GgufVocabulary.Flags(false, false, false, false));
        var random = new Random(9);
        for (int round = 0; round < 500; round++) {
            var word = new StringBuilder();
            for (int i = 1 + random.nextInt(10); i > 0; i--) {
                word.append("abc".charAt(random.nextInt(3)));
            }
            double found = 0;
            var spelled = new StringBuilder();
            for (int id : tokenizer.encode(word.toString(), false)) {
                found += SCORES[id - 1];
                spelled.append(tokenizer.piece(id));
            }
            assertEquals(word.toString(), spelled.toString());
            assertEquals(best(word.toString()), found, 1e-9, word.toString());
        }
    }

    @Test
    void neighbouringUnknownCharactersAreOneToken() {
        Tokenizer tokenizer = tokenizer(new GgufVocabulary.Flags(false, true, false, false));
        assertEquals(List.of("a", "<unk>", "b"), pieces(tokenizer, "a我😀b"));
    }

    @Test
    void spacesAreMergedAndPrefixedAsConfigured() {
        assertEquals("▁a▁▁b▁", SentencePiece.withSpaces("a  b ", true, false));
        assertEquals("▁▁a", SentencePiece.withSpaces(" a", true, false));
        assertEquals("▁a▁b", SentencePiece.withSpaces("  a  b ", true, true));
        assertEquals("a▁b", SentencePiece.withSpaces("a b", false, false));
    }

    private static List<String> pieces(Tokenizer tokenizer, String text) {
        List<String> pieces = new ArrayList<>();
        for (int id : tokenizer.encode(text, false)) {
            pieces.add(tokenizer.piece(id));
        }
        return pieces;
    }

    private static double best(String word) {
        if (word.isEmpty()) {
            return 0;
        }
        double best = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < PIECES.length; i++) {
            if (word.startsWith(PIECES[i])) {
                best = Math.max(best, SCORES[i] + best(word.substring(PIECES[i].length())));
            }
        }
        return best;
    }

    private static Tokenizer tokenizer(GgufVocabulary.Flags flags) {
        List<String> tokens = new ArrayList<>(List.of("<unk>"));
        List<Float> scores = new ArrayList<>(List.of(0f));
        List<Integer> types = new ArrayList<>(List.of(2));
        for (int i = 0; i < PIECES.length; i++) {
            tokens.add(PIECES[i]);
            scores.add((float) SCORES[i]);
            types.add(1);
        }
        var ids =
                new GgufVocabulary.SpecialIds(
                        OptionalInt.empty(),
                        OptionalInt.empty(),
                        OptionalInt.of(0),
                        OptionalInt.empty());
        return Tokenizers.of(
                new GgufVocabulary(
                        "t5", "", tokens, scores, types, List.of(), List.of(), ids, flags));
    }
}
