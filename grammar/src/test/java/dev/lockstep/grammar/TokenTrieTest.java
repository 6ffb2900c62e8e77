// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class TokenTrieTest {
    @Test
    void everyTokenIsUnderItsBytesAndSlicesPartTheVocabulary() {
        var random = new Random(1);
        byte[][] tokens = new byte[3_000][];
        for (int id = 0; id < tokens.length; id++) {
            if (id % 11 != 0) {
                tokens[id] = new byte[random.nextInt(20)];
                for (int i = 0; i < tokens[id].length; i++) {
                    tokens[id][i] =
                            (byte) new int[] {0, 'a', ' ', '7', '"', 0xC3, 0xA9}[random.nextInt(7)];
                }
            }
        }
        var trie = new TokenTrie(tokens, Set.of(1, 2));
        Set<Integer> expected = new TreeSet<>();
        for (int id = 3; id < tokens.length; id++) {
            if (tokens[id] != null && tokens[id].length > 0) {
                expected.add(id);
            }
        }
        assertEquals(expected, ids(trie.all, tokens));
        for (TokenSlice slice : trie.slices) {
            Set<Integer> all = ids(slice.members, tokens);
            int members = all.size();
            all.addAll(ids(slice.shortOthers, tokens));
            all.addAll(ids(slice.longOthers, tokens));
            assertEquals(expected, all);
            long[] bits = slice.upTo(Integer.MAX_VALUE);
            assertEquals(members, Arrays.stream(bits).map(Long::bitCount).sum());
        }
    }

    /// All ids, each of which is found under its bytes.
    private static Set<Integer> ids(PrefixTree tree, byte[][] tokens) {
        Set<Integer> ids = new TreeSet<>();
        List<Integer> path = new ArrayList<>();
        for (int node = 0; node < tree.count(); node++) {
            while (!path.isEmpty() && tree.end(path.getLast()) <= node) {
                path.removeLast();
            }
            path.add(node);
            for (int i = tree.firstId(node); i < tree.endOfIds(node); i++) {
                byte[] token = tokens[tree.id(i)];
                assertEquals(path.size(), token.length);
                for (int k = 0; k < token.length; k++) {
                    assertEquals(token[k] & 0xFF, tree.valueOf(path.get(k)));
                }
                ids.add(tree.id(i));
            }
        }
        return ids;
    }

    @Test
    void aSpecialTokenOutsideTheVocabularyIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> new TokenTrie(new byte[3][], Set.of(3)));
    }
}
