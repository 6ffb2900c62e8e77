// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.proto.v1.TokenSequence;
import java.util.List;

/// Sequences of tokens that a text must not have: the last token of each is forbidden where the
/// others were just generated. Words of one token are settings of the sampler.
final class BadWords {
    private final int[][] words;

    /// The last ids, as many as the longest word needs; id number `i` at `i % recent.length`.
    private final int[] recent;

    private int count;

    private BadWords(int[][] words, int longest) {
        this.words = words;
        this.recent = new int[longest];
    }

    /// @throws IllegalArgumentException if a word has fewer than two tokens, or one that the model
    ///   does not have
    static BadWords of(List<TokenSequence> sequences, int vocabulary) {
        int[][] words = new int[sequences.size()][];
        int longest = 0;
        for (int i = 0; i < words.length; i++) {
            words[i] = sequences.get(i).getIdsList().stream().mapToInt(Integer::intValue).toArray();
            longest = Math.max(longest, words[i].length - 1);
            if (words[i].length < 2) {
                throw new IllegalArgumentException(
                        "bad_words[%d] has %d tokens, must have 2 or more"
                                .formatted(i, words[i].length));
            }
            for (int id : words[i]) {
                if (id < 0 || id >= vocabulary) {
                    throw new IllegalArgumentException(
                            "bad_words[%d] has token %d, must be in [0, %d]"
                                    .formatted(i, id, vocabulary - 1));
                }
            }
        }
        return new BadWords(words, longest);
    }

    boolean isEmpty() {
        return words.length == 0;
    }

    /// Goes on by a generated id.
    void accept(int id) {
        if (recent.length > 0) {
            recent[count % recent.length] = id;
            count++;
        }
    }

    /// Clears the bits of the ids that would complete a word.
    void clear(long[] mask) {
        for (int[] word : words) {
            if (isBegun(word)) {
                int last = word[word.length - 1];
                mask[last / Long.SIZE] &= ~(1L << (last % Long.SIZE));
            }
        }
    }

    private boolean isBegun(int[] word) {
        int length = word.length - 1;
        if (count < length) {
            return false;
        }
        for (int i = 0; i < length; i++) {
            if (recent[(count - length + i) % recent.length] != word[i]) {
                return false;
            }
        }
        return true;
    }
}
