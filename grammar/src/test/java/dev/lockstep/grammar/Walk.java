// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;

/// A text whose tokens are chosen at random among those that masks allow: any at first, then rather
/// those that close something, and if that ends nothing, the fewest bytes to an end.
final class Walk {
    private static final int FREE_TOKENS = 30;
    private static final int CLOSING_TOKENS = 300;

    private final Random random;
    private final Matcher matcher;
    private final TokenTrie trie;
    private final long[] mask;
    private final ByteArrayOutputStream text = new ByteArrayOutputStream();

    Walk(TokenMachine machine, Random random) {
        this.random = random;
        matcher = machine.matcher();
        trie = machine.trie();
        mask = new long[trie.words()];
    }

    String text() {
        return text.toString(StandardCharsets.UTF_8);
    }

    /// Goes on until the text ends or the tokens are used up.
    ///
    /// @return whether it has come to an end
    boolean end() {
        int free = random.nextInt(FREE_TOKENS);
        for (int count = 0; count < free + CLOSING_TOKENS; count++) {
            if (matcher.complete()
                    || (matcher.mayEnd() && (count > free || random.nextInt(4) == 0))) {
                return true;
            }
            matcher.mask(mask);
            accept(count > free ? closing() : any(mask));
        }
        return false;
    }

    /// Goes the shortest way to an end, of which each byte must be allowed too.
    void endShortly(CompiledGrammar grammar) {
        NormalGrammar normal = grammar.normal();
        var automaton = new Automaton(normal);
        var distance = new EndDistance(normal);
        Configuration place = automaton.start;
        for (byte each : text.toByteArray()) {
            automaton.budget.beginCall();
            place = automaton.step(place, each);
        }
        for (long left = distance.of(place); left > 0; left--) {
            assertTrue(left < EndDistance.NONE, () -> "no way to an end of " + text());
            List<Integer> nearer = new ArrayList<>();
            for (int value = 0; value < 256; value++) {
                automaton.budget.beginCall();
                if (distance.of(automaton.step(place, value)) == left - 1) {
                    nearer.add(value);
                }
            }
            int value = nearer.get(random.nextInt(nearer.size()));
            matcher.mask(mask);
            assertTrue((mask[value / Long.SIZE] >>> value & 1) != 0, "a byte is masked");
            accept(value);
            place = automaton.step(place, value);
        }
        assertTrue(matcher.mayEnd(), "the text may not end where no byte is missing");
    }

    private void accept(int id) {
        assertTrue(matcher.accept(id), "a masked token is not accepted");
        text.writeBytes(Objects.requireNonNull(trie.textOf(id)));
    }

    private int any(long... from) {
        int count = 0;
        for (long word : from) {
            count += Long.bitCount(word);
        }
        assertTrue(count > 0, "no token is allowed");
        int left = random.nextInt(count);
        for (int word = 0; ; word++) {
            long bits = from[word];
            if (left >= Long.bitCount(bits)) {
                left -= Long.bitCount(bits);
                continue;
            }
            for (; left > 0; left--) {
                bits &= bits - 1;
            }
            return word * Long.SIZE + Long.numberOfTrailingZeros(bits);
        }
    }

    /// Ends what can be ended, or else goes on by a character: the first ids are the bytes. Now and
    /// then any character, because one that a pattern demands may be none of those.
    private int closing() {
        if (random.nextInt(4) > 0) {
            for (char each : new char[] {'"', '}', ']', ':', ','}) {
                if ((mask[each / Long.SIZE] >>> each & 1) != 0) {
                    return each;
                }
            }
        }
        long[] ascii = {mask[0], mask[1]};
        return (ascii[0] | ascii[1]) == 0 ? any(mask) : any(ascii);
    }
}
