package dev.lockstep.cluster.process;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.SplittableRandom;

/// Where random bits come from, so that a whole cluster can be replayed from one seed.
///
/// Sampling does not use it: the noise of a token is addressed, not drawn (law 5). Keys,
/// incarnations, seeds of requests that name none, and jitter do.
@FunctionalInterface
public interface Randomness {

    long nextLong();

    /// Bits nobody can guess, for keys, ids and seeds of real processes. Safe for any thread.
    static Randomness secure() {
        SecureRandom random = new SecureRandom();
        return random::nextLong;
    }

    /// The same bits in every run, for simulations. Belongs to one thread.
    static Randomness seeded(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        return random::nextLong;
    }

    /// 128 bits, as many as a key of `BlockHasher` takes.
    default byte[] nextKey() {
        return ByteBuffer.allocate(16)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(nextLong())
                .putLong(nextLong())
                .array();
    }

    /// 128 bits as 32 hexadecimal digits: the name of one life of one process, see
    /// `Member#incarnation`.
    default String nextIncarnation() {
        return HexFormat.of().toHexDigits(nextLong()) + HexFormat.of().toHexDigits(nextLong());
    }
}
