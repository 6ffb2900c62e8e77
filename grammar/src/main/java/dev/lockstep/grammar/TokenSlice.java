// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.Arrays;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// The tokens that consist of whole characters of some class. A state that treats the characters of
/// the class alike allows all of these tokens up to some number of characters, without a look at
/// each; only the others are walked through.
final class TokenSlice {
    /// Which characters below 0x80 belong to a slice; all others do, and no part of one.
    enum Kind {
        /// What a JSON string holds as it is.
        PLAIN,
        /// Letters, digits and the blank.
        WORDS,
        /// Letters and the blank.
        LETTERS;

        boolean has(int ascii) {
            return switch (this) {
                case PLAIN -> ascii >= 0x20 && ascii < 0x7F && ascii != '"' && ascii != '\\';
                case WORDS -> isLetter(ascii) || (ascii >= '0' && ascii <= '9');
                case LETTERS -> isLetter(ascii);
            };
        }

        private static boolean isLetter(int ascii) {
            return ascii == ' ' || (ascii >= 'A' && ascii <= 'Z') || (ascii >= 'a' && ascii <= 'z');
        }

        /// How many bytes follow the first one of a character of the slice; -1 if none begins so.
        int following(int lead) {
            if (lead < 0x80) {
                return has(lead) ? 0 : -1;
            }
            return lead < 0xC2 ? -1 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : lead < 0xF5 ? 3 : -1;
        }
    }

    /// Tokens of more bytes are in [#longOthers].
    static final int SHORT = 16;

    final Kind kind;

    /// The tokens in the slice.
    final PrefixTree members;

    /// The tokens that are not in the slice, by length in bytes.
    final PrefixTree shortOthers;

    final PrefixTree longOthers;

    private final int[] lengths;

    /// Tokens of at most as many characters as the length at the same index.
    private final long[][] upTo;

    TokenSlice(Kind kind, byte[] @Nullable [] tokens, int[] sorted, int words) {
        this.kind = kind;
        var byLength = new TreeMap<Integer, long[]>();
        int[] inside = new int[sorted.length];
        int insideCount = 0;
        int[] shorts = new int[sorted.length];
        int[] longs = new int[sorted.length];
        int shortCount = 0;
        int longCount = 0;
        for (int id : sorted) {
            byte[] token = Objects.requireNonNull(tokens[id]);
            int length = characters(token);
            if (length >= 0) {
                long[] bits = byLength.computeIfAbsent(length, _ -> new long[words]);
                bits[id >>> 6] |= 1L << id;
                inside[insideCount++] = id;
            } else if (token.length <= SHORT) {
                shorts[shortCount++] = id;
            } else {
                longs[longCount++] = id;
            }
        }
        members = new PrefixTree(tokens, Arrays.copyOf(inside, insideCount));
        shortOthers = new PrefixTree(tokens, Arrays.copyOf(shorts, shortCount));
        longOthers = new PrefixTree(tokens, Arrays.copyOf(longs, longCount));
        lengths = new int[byLength.size()];
        upTo = new long[byLength.size()][];
        int index = 0;
        for (int length : byLength.keySet()) {
            long[] bits = Objects.requireNonNull(byLength.get(length));
            if (index > 0) {
                for (int i = 0; i < words; i++) {
                    bits[i] |= upTo[index - 1][i];
                }
            }
            lengths[index] = length;
            upTo[index++] = bits;
        }
    }

    /// The tokens of at most so many characters, not to be written to; null if there is none.
    long @Nullable [] upTo(int characters) {
        int index = Arrays.binarySearch(lengths, characters);
        int last = index >= 0 ? index : -index - 2;
        return last < 0 ? null : upTo[last];
    }

    /// The number of characters, or -1 if the bytes are not in the slice.
    private int characters(byte[] bytes) {
        int characters = 0;
        int i = 0;
        while (i < bytes.length) {
            int lead = bytes[i] & 0xFF;
            int following = kind.following(lead);
            if (following < 0 || i + following >= bytes.length) {
                return -1;
            }
            for (int k = 1; k <= following; k++) {
                int next = bytes[i + k] & 0xFF;
                if (next < least(lead, k) || next > most(lead, k)) {
                    return -1;
                }
            }
            i += 1 + following;
            characters++;
        }
        return characters;
    }

    /// The lowest byte in place `k` of a character that begins with `lead`.
    static int least(int lead, int k) {
        return k > 1 ? 0x80 : lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    }

    /// The highest byte in place `k` of a character that begins with `lead`.
    static int most(int lead, int k) {
        return k > 1 ? 0xBF : lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    }
}
