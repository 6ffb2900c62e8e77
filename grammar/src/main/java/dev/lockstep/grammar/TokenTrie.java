// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The tokens of a vocabulary by their bytes. Immutable; one serves all grammars of a model.
///
/// Special tokens, ids without bytes and empty tokens are no text, so no terminal allows them.
public final class TokenTrie {
    private static final int KEY_BYTES = 5;
    private static final int ID_BITS = 23;

    private final int vocabulary;
    private final byte[] @Nullable [] tokens;
    private final boolean[] specials;
    final PrefixTree all;

    /// From the widest to the narrowest.
    final List<TokenSlice> slices;

    /// @param tokens bytes by id, null where an id has none
    public TokenTrie(byte[] @Nullable [] tokens, Set<Integer> specials) {
        if (tokens.length > 1 << ID_BITS) {
            throw new IllegalArgumentException(
                    "a vocabulary of %d tokens, more than %d"
                            .formatted(tokens.length, 1 << ID_BITS));
        }
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
        int[] sorted = sorted();
        this.all = new PrefixTree(tokens, sorted);
        List<TokenSlice> all = new ArrayList<>();
        for (TokenSlice.Kind kind : TokenSlice.Kind.values()) {
            all.add(new TokenSlice(kind, tokens, sorted, words()));
        }
        slices = List.copyOf(all);
    }

    /// The ids of text in unsigned order of their bytes: by the first five bytes, which fit into a
    /// long beside the id, and those alike by all of them.
    private int[] sorted() {
        long[] keys = new long[vocabulary];
        int count = 0;
        for (int id = 0; id < vocabulary; id++) {
            byte[] text = textOf(id);
            if (text != null) {
                long key = 0;
                for (int i = 0; i < KEY_BYTES; i++) {
                    key = (key << 8) | (i < text.length ? text[i] & 0xFF : 0);
                }
                // the sign bit stays clear, so that signed order is unsigned order
                keys[count++] = (key << ID_BITS) | id;
            }
        }
        Arrays.sort(keys, 0, count);
        int[] ids = new int[count];
        for (int i = 0; i < count; i++) {
            ids[i] = (int) (keys[i] & ((1 << ID_BITS) - 1));
        }
        int first = 0;
        for (int i = 1; i <= count; i++) {
            if (i == count || keys[i] >>> ID_BITS != keys[first] >>> ID_BITS) {
                sortAlike(ids, first, i);
                first = i;
            }
        }
        return ids;
    }

    private void sortAlike(int[] ids, int from, int to) {
        if (to - from > 1) {
            List<Integer> alike = new ArrayList<>(to - from);
            for (int i = from; i < to; i++) {
                alike.add(ids[i]);
            }
            alike.sort(
                    (a, b) ->
                            Arrays.compareUnsigned(
                                    Objects.requireNonNull(tokens[a]),
                                    Objects.requireNonNull(tokens[b])));
            for (int i = from; i < to; i++) {
                ids[i] = alike.get(i - from);
            }
        }
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
