// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.SplittableRandom;

/// A source of random bits, so that a whole cluster can be replayed from one seed.
///
/// Sampling does not use it: the noise of a token is addressed, not drawn (law 5). Keys,
/// incarnations, seeds of requests that name none, and jitter do.
@FunctionalInterface
public interface Randomness {

    long nextLong();

    /// Returns a source of unpredictable bits, for keys, ids and seeds of real processes. Safe for
    /// any thread, none of which ever waits for another.
    static Randomness secure() {
        return new KeyedCounter(new SecureRandom());
    }

    /// Returns a source of the same bits in every run, for simulations. Belongs to one thread.
    static Randomness seeded(long seed) {
        var random = new SplittableRandom(seed);
        return random::nextLong;
    }

    /// Returns 128 bits, the size of a key of `BlockHasher`.
    default byte[] nextKey() {
        return ByteBuffer.allocate(16)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(nextLong())
                .putLong(nextLong())
                .array();
    }

    /// Returns 128 bits as 32 hexadecimal digits: the id of one run of one process, see
    /// `Member#incarnation`.
    default String nextIncarnation() {
        return HexFormat.of().toHexDigits(nextLong()) + HexFormat.of().toHexDigits(nextLong());
    }
}
