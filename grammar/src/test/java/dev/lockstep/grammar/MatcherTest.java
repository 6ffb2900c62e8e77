// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.BitSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class MatcherTest {
    private static final int SEEDS = 300;
    private static final int SPECIALS = 2;
    private static final int VOCABULARY = 70;

    @Test
    void masksAreTheTokensThatAReferenceCanGoOnWith() {
        int compiled = 0;
        int compared = 0;
        for (int seed = 0; seed < SEEDS; seed++) {
            var random = new Random(seed);
            var grammars = new RandomGrammars(random, SPECIALS);
            Grammar grammar = grammars.grammar();
            byte[][] tokens = grammars.vocabulary(VOCABULARY);
            var reference = new ReferenceRecognizer(grammar, RandomGrammars.ALPHABET);
            Matcher matcher;
            try {
                matcher =
                        CompiledGrammar.compile(grammar, GrammarLimits.DEFAULT)
                                .on(new TokenTrie(tokens, Set.of(0, 1)))
                                .matcher();
            } catch (GrammarException e) {
                if (String.valueOf(e.getMessage()).contains("matches nothing")) {
                    assertFalse(reference.isPrefix(), () -> e + " of " + grammar);
                } else {
                    assertTrue(
                            String.valueOf(e.getMessage())
                                    .contains("behind something that may be empty"),
                            e::toString);
                }
                continue;
            }
            compiled++;
            int[] text = {};
            for (int step = 0; step < 4; step++) {
                BitSet expected = new BitSet();
                for (int id = 0; id < VOCABULARY; id++) {
                    int[] longer = with(text, id, tokens);
                    if (longer.length > text.length && reference.isPrefix(longer)) {
                        expected.set(id);
                    }
                }
                String place =
                        "seed %d after %s of %s".formatted(seed, Arrays.toString(text), grammar);
                assertEquals(expected, mask(matcher), place);
                assertEquals(reference.matches(text), matcher.mayEnd(), place);
                compared++;
                if (expected.isEmpty()) {
                    break;
                }
                int chosen =
                        expected.stream()
                                .skip(random.nextInt(expected.cardinality()))
                                .findFirst()
                                .orElseThrow();
                int refused = expected.nextClearBit(random.nextInt(VOCABULARY));
                assertFalse(matcher.accept(refused), place);
                assertTrue(matcher.accept(chosen), place);
                text = with(text, chosen, tokens);
                if (text.length > 7) {
                    break;
                }
            }
        }
        assertTrue(compiled > SEEDS / 3, "compiled " + compiled);
        assertTrue(compared > SEEDS / 2, "compared " + compared);
    }

    private static int[] with(int[] text, int id, byte[][] tokens) {
        if (id < SPECIALS) {
            int[] longer = Arrays.copyOf(text, text.length + 1);
            longer[text.length] = ReferenceRecognizer.SPECIAL + id;
            return longer;
        }
        byte[] token = tokens[id] == null ? new byte[0] : tokens[id];
        int[] longer = Arrays.copyOf(text, text.length + token.length);
        for (int i = 0; i < token.length; i++) {
            longer[text.length + i] = token[i];
        }
        return longer;
    }

    private static BitSet mask(Matcher matcher) {
        long[] words = new long[(VOCABULARY + 63) / 64];
        matcher.mask(words);
        return BitSet.valueOf(words);
    }
}
