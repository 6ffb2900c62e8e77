// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// A cache of the ids of recent words, shared by all threads without locks.
///
/// A slot holds one immutable entry and the last writer wins: a race costs a lookup, never a wrong
/// result. The size is bounded: 16,384 words of at most 64 characters.
final class WordCache {
    private static final int SLOTS = 1 << 14;
    private static final int MAX_WORD_LENGTH = 64;

    /// A cached word; its fields are final, so that a thread that reads the entry also sees them.
    private static final class Entry {
        private final char[] word;
        private final int[] ids;

        Entry(char[] word, int[] ids) {
            this.word = word;
            this.ids = ids;
        }
    }

    private final @Nullable Entry[] entries = new Entry[SLOTS];

    /// Returns the ids of the word, or an empty array if it is not cached; a word without ids never
    /// is.
    int[] find(char[] text, int from, int to) {
        if (to - from > MAX_WORD_LENGTH) {
            return NOTHING;
        }
        Entry entry = entries[slot(text, from, to)];
        return entry != null && Arrays.equals(entry.word, 0, entry.word.length, text, from, to)
                ? entry.ids
                : NOTHING;
    }

    void put(char[] text, int from, int to, int[] ids) {
        if (to - from <= MAX_WORD_LENGTH && ids.length > 0) {
            entries[slot(text, from, to)] = new Entry(Arrays.copyOfRange(text, from, to), ids);
        }
    }

    private static final int[] NOTHING = {};

    private static int slot(char[] text, int from, int to) {
        int hash = 0;
        for (int i = from; i < to; i++) {
            hash = 31 * hash + text[i];
        }
        return (hash ^ hash >>> 14 ^ hash >>> 22) & (SLOTS - 1);
    }
}
