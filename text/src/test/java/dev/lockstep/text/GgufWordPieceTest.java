// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

final class GgufWordPieceTest {
    private final Tokenizer tokenizer =
            tokenizer("[UNK]", "[CLS]", "[SEP]", "▁the", "ory", "▁caf", "e", "▁,", "▁我");

    @Test
    void wordsAreCoveredFromTheLeftByTheLongestTokens() {
        assertEquals(
                List.of("▁the", "ory", "▁,", "▁caf", "e"),
                pieces(tokenizer.encode("Theory, café", false)));
        assertEquals(List.of("▁我", "▁the"), pieces(tokenizer.encode("我the", false)));
        assertEquals(
                "theory , cafe", tokenizer.decode(tokenizer.encode("Theory, café", false), true));
    }

    @Test
    void aWordThatCannotBeCoveredIsUnknownAsAWhole() {
        assertEquals(List.of("[UNK]", "▁the"), pieces(tokenizer.encode("thexx the", false)));
        assertEquals(List.of("[UNK]"), pieces(tokenizer.encode("the" + "e".repeat(100), false)));
    }

    @Test
    void classAndSeparatorTokensEncloseTheText() {
        assertEquals(
                List.of("[CLS]", "▁the", "[SEP]"),
                pieces(tokenizer.encode("the", new EncodeOptions(false, true))));
    }

    private List<String> pieces(int[] ids) {
        return Arrays.stream(ids).mapToObj(tokenizer::piece).toList();
    }

    private static Tokenizer tokenizer(String... tokens) {
        List<Integer> types =
                Arrays.asList(Collections.nCopies(tokens.length, 1).toArray(new Integer[0]));
        types.set(0, 2);
        types.set(1, 3);
        types.set(2, 3);
        var ids =
                new GgufVocabulary.SpecialIds(
                        OptionalInt.of(1),
                        OptionalInt.empty(),
                        OptionalInt.of(0),
                        OptionalInt.of(2));
        return Tokenizers.of(
                new GgufVocabulary(
                        "bert",
                        "",
                        List.of(tokens),
                        List.of(),
                        types,
                        List.of(),
                        List.of(),
                        ids,
                        GgufVocabulary.Flags.defaults("bert", "")));
    }
}
