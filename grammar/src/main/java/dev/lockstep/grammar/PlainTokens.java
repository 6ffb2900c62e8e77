// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.Arrays;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// The tokens that consist of whole characters which a JSON string holds as they are: the inner of
/// a string allows all of them up to some number of characters, without a look at each.
final class PlainTokens {
    private final int[] lengths;

    /// Tokens of at most as many characters as the length at the same index.
    private final long[][] upTo;

    /// The tokens that are not plain.
    final PrefixTree others;

    PlainTokens(byte @Nullable [][] tokens, int[] sorted, int words) {
        var byLength = new TreeMap<Integer, long[]>();
        int[] rest = new int[sorted.length];
        int count = 0;
        for (int id : sorted) {
            int length = plainCharacters(Objects.requireNonNull(tokens[id]));
            if (length < 0) {
                rest[count++] = id;
            } else {
                long[] bits = byLength.computeIfAbsent(length, _ -> new long[words]);
                bits[id >>> 6] |= 1L << id;
            }
        }
        others = new PrefixTree(tokens, Arrays.copyOf(rest, count));
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

    /// The characters of the longest plain token.
    int longest() {
        return lengths.length == 0 ? 0 : lengths[lengths.length - 1];
    }

    /// The plain tokens of at most so many characters, not to be written to; null if there is none.
    long @Nullable [] upTo(int characters) {
        int index = Arrays.binarySearch(lengths, characters);
        int last = index >= 0 ? index : -index - 2;
        return last < 0 ? null : upTo[last];
    }

    /// The number of characters, or -1 if the bytes are not plain.
    private static int plainCharacters(byte[] bytes) {
        int characters = 0;
        int i = 0;
        while (i < bytes.length) {
            int lead = bytes[i] & 0xFF;
            int following = following(lead);
            if (following < 0 || i + following >= bytes.length) {
                return -1;
            }
            for (int k = 1; k <= following; k++) {
                int next = bytes[i + k] & 0xFF;
                int least = k == 1 ? leastSecond(lead) : 0x80;
                int most = k == 1 ? mostSecond(lead) : 0xBF;
                if (next < least || next > most) {
                    return -1;
                }
            }
            i += 1 + following;
            characters++;
        }
        return characters;
    }

    /// How many bytes follow the first one of a plain character; -1 if none begins so.
    static int following(int lead) {
        if (lead < 0x80) {
            return lead < 0x20 || lead == '"' || lead == '\\' || lead == 0x7F ? -1 : 0;
        }
        return lead < 0xC2 ? -1 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : lead < 0xF5 ? 3 : -1;
    }

    static int leastSecond(int lead) {
        return lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    }

    static int mostSecond(int lead) {
        return lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    }
}
