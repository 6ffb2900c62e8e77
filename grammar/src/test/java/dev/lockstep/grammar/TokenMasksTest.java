// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.BitSet;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// Masks over a large vocabulary against acceptance token by token, which knows no short cut.
class TokenMasksTest {
    private static final int SIZE = 12_000;
    private static final int SPECIALS = 3;
    private static final TokenTrie TRIE =
            new TokenTrie(
                    MadeVocabulary.of(SIZE, SPECIALS), MadeVocabulary.specials(SIZE, SPECIALS));

    private static final Map<String, Grammar> GRAMMARS =
            Map.of(
                    "any JSON",
                    JsonGrammars.any(),
                    "counted",
                    one(JsonGrammars.string(3, 40)),
                    "counted, few",
                    one(JsonGrammars.string(0, 7)),
                    "at least",
                    one(JsonGrammars.string(30, Regex.UNBOUNDED)),
                    "pattern",
                    one(pattern()),
                    "until",
                    one(Regex.until(Regex.text("</x>"))),
                    "free",
                    one(Regex.ANY_TEXT),
                    "free, then a token",
                    grammar(Expression.until(SIZE - 1)),
                    "ambiguous",
                    grammar(
                            Expression.sequence(
                                    Expression.star(Expression.text(" ")),
                                    Expression.terminal(JsonGrammars.STRING),
                                    Expression.terminal(Regex.ANY_TEXT),
                                    Expression.terminal(JsonGrammars.STRING))));

    private static Regex pattern() {
        return Regex.sequence(
                Regex.text("\""),
                Regex.and(
                        Regex.star(JsonGrammars.CHARACTER),
                        Regex.sequence(
                                Regex.ANY_BYTES,
                                Regex.text("@"),
                                Regex.ANY_BYTES,
                                Regex.text("er"))),
                Regex.text("\""));
    }

    private static Grammar one(Regex regex) {
        return grammar(Expression.terminal(regex));
    }

    private static Grammar grammar(Expression start) {
        return new Grammar(Map.of("start", start), "start");
    }

    @Test
    void shortCutsAllowWhatBytesAllow() {
        for (Map.Entry<String, Grammar> each : GRAMMARS.entrySet()) {
            Matcher matcher =
                    CompiledGrammar.compile(each.getValue(), GrammarLimits.DEFAULT)
                            .on(TRIE)
                            .matcher();
            var random = new Random(5);
            for (int step = 0; step < 20; step++) {
                long[] words = new long[TRIE.words()];
                matcher.mask(words);
                BitSet mask = BitSet.valueOf(words);
                var accepted = new BitSet();
                for (int id = 0; id < SIZE; id++) {
                    accepted.set(id, matcher.copy().accept(id));
                }
                assertEquals(accepted, mask, each.getKey() + " at step " + step);
                if (mask.isEmpty()) {
                    assertTrue(matcher.complete());
                    break;
                }
                int chosen = random.nextInt(mask.cardinality());
                assertTrue(matcher.accept(mask.stream().skip(chosen).findFirst().orElseThrow()));
            }
        }
    }
}
