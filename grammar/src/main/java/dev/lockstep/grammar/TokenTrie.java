// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The tokens of a vocabulary by their bytes. Immutable; one serves all grammars of a model.
///
/// Special tokens, ids without bytes and empty tokens are no text, so no terminal allows them.
public final class TokenTrie {
    private final int vocabulary;
    private final byte @Nullable [][] tokens;
    private final boolean[] specials;
    final PrefixTree all;
    final PlainTokens plain;

    /// @param tokens bytes by id, null where an id has none
    public TokenTrie(byte @Nullable [][] tokens, Set<Integer> specials) {
        vocabulary = tokens.length;
        this.tokens = tokens.clone();
        this.specials = new boolean[vocabulary];
        for (int id : specials) {
            if (id < 0 || id >= vocabulary) {
                throw new IllegalArgumentException(
                        "special token %d of a vocabulary of %d".formatted(id, vocabulary));
            }
            this.specials[id] = true;
        }
        List<Integer> ids = new ArrayList<>();
        for (int id = 0; id < vocabulary; id++) {
            if (textOf(id) != null) {
                ids.add(id);
            }
        }
        ids.sort((a, b) -> Arrays.compareUnsigned(tokens[a], tokens[b]));
        int[] sorted = ids.stream().mapToInt(Integer::intValue).toArray();
        all = new PrefixTree(tokens, sorted);
        plain = new PlainTokens(tokens, sorted, words());
    }

    /// The number of ids, those without bytes included.
    public int vocabulary() {
        return vocabulary;
    }

    /// The number of words of a mask.
    public int words() {
        return (vocabulary + 63) >>> 6;
    }

    boolean isSpecial(int id) {
        return id >= 0 && id < vocabulary && specials[id];
    }

    /// The bytes of a token that is text.
    byte @Nullable [] textOf(int id) {
        if (id < 0 || id >= vocabulary || specials[id]) {
            return null;
        }
        byte[] bytes = tokens[id];
        return bytes == null || bytes.length == 0 ? null : bytes;
    }
}
