// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// A keyed hash chain that names KV blocks: each hash covers the hash of the preceding block and
/// the block's own tokens.
///
/// SipHash-2-4 with 128 bits of output, a pseudo-random function under a secret key: without the
/// cluster's key no client can make two prefixes collide, which would show one tenant the other's
/// cache. Everything that must not share a cache (tenant salt, adapter, KV group) goes into the
/// root of the chain.
///
/// Immutable and thread-safe. The method with arrays allocates nothing.
public final class BlockHasher {

    public static final int KEY_BYTES = 16;

    // First words of the two kinds of messages, so that a root never equals a block.
    private static final long ROOT = 0x726f6f74L << 32;
    private static final long BLOCK = 0x626c6f63L << 32;

    private final long key0;
    private final long key1;

    public BlockHasher(byte[] key) {
        if (key.length != KEY_BYTES) {
            throw new IllegalArgumentException(
                    "a block hash key has " + KEY_BYTES + " bytes, got " + key.length);
        }
        ByteBuffer buffer = ByteBuffer.wrap(key).order(ByteOrder.LITTLE_ENDIAN);
        key0 = buffer.getLong();
        key1 = buffer.getLong();
    }

    /// Returns the root of a sequence's chain. Sequences with different `domain` share no block.
    public BlockHash root(long... domain) {
        int[] halves = new int[2 * domain.length];
        for (int i = 0; i < domain.length; i++) {
            halves[2 * i] = (int) domain[i];
            halves[2 * i + 1] = (int) (domain[i] >>> 32);
        }
        long[] out = new long[2];
        sipHash(ROOT | halves.length, 0, 0, halves, 0, halves.length, out, 0);
        return new BlockHash(out[0], out[1]);
    }

    /// Returns the hash of the block that holds `tokens[from, from + count)` after `parent`.
    public BlockHash next(BlockHash parent, int[] tokens, int from, int count) {
        long[] out = new long[2];
        next(parent.high(), parent.low(), tokens, from, count, out, 0);
        return new BlockHash(out[0], out[1]);
    }

    /// Writes the hash that the other `next` returns into `out[at]` (high) and `out[at + 1]` (low).
    public void next(
            long parentHigh,
            long parentLow,
            int[] tokens,
            int from,
            int count,
            long[] out,
            int at) {
        sipHash(BLOCK | count, parentHigh, parentLow, tokens, from, count, out, at);
    }

    /// Writes the hashes of all full blocks of `tokens[0, length)` into `out`, as high, low, high,
    /// low …
    ///
    /// @return the number of full blocks; `out` holds twice as many longs
    public int chain(BlockHash root, int[] tokens, int length, int blockSize, long[] out) {
        int blocks = length / blockSize;
        long high = root.high();
        long low = root.low();
        for (int block = 0; block < blocks; block++) {
            next(high, low, tokens, block * blockSize, blockSize, out, 2 * block);
            high = out[2 * block];
            low = out[2 * block + 1];
        }
        return blocks;
    }

    /// Computes SipHash-2-4-128 of the little-endian bytes of three longs and `count` ints.
    void sipHash(
            long first,
            long second,
            long third,
            int[] ints,
            int from,
            int count,
            long[] out,
            int at) {
        long v0 = key0 ^ 0x736f6d6570736575L;
        long v1 = key1 ^ 0x646f72616e646f6dL ^ 0xee;
        long v2 = key0 ^ 0x6c7967656e657261L;
        long v3 = key1 ^ 0x7465646279746573L;

        int pairs = count >>> 1;
        int lastWord = 3 + pairs;
        long length = (24L + 4L * count) << 56;
        // Words of the message, then 4 finalization rounds for the first half of the result and 4
        // for the second.
        for (int word = 0; word < lastWord + 3; word++) {
            long message;
            int rounds = 2;
            if (word >= 3 && word < lastWord) {
                int index = from + 2 * (word - 3);
                message = (ints[index] & 0xffffffffL) | ((long) ints[index + 1] << 32);
            } else if (word == lastWord) {
                message = length | ((count & 1) == 0 ? 0 : ints[from + count - 1] & 0xffffffffL);
            } else if (word == lastWord + 1) {
                message = 0;
                v2 ^= 0xee;
                rounds = 4;
            } else if (word == lastWord + 2) {
                message = 0;
                out[at] = v0 ^ v1 ^ v2 ^ v3;
                v1 ^= 0xdd;
                rounds = 4;
            } else {
                message = word == 0 ? first : word == 1 ? second : third;
            }
            v3 ^= message;
            for (int round = 0; round < rounds; round++) {
                v0 += v1;
                v2 += v3;
                v1 = Long.rotateLeft(v1, 13) ^ v0;
                v3 = Long.rotateLeft(v3, 16) ^ v2;
                v0 = Long.rotateLeft(v0, 32);
                v2 += v1;
                v0 += v3;
                v1 = Long.rotateLeft(v1, 17) ^ v2;
                v3 = Long.rotateLeft(v3, 21) ^ v0;
                v2 = Long.rotateLeft(v2, 32);
            }
            v0 ^= message;
        }
        out[at + 1] = v0 ^ v1 ^ v2 ^ v3;
    }
}
