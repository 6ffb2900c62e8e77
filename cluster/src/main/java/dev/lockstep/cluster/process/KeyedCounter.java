// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.concurrent.atomic.AtomicLong;

/// Unpredictable bits without a lock: SHA-256 of a secret key and of a counter.
///
/// All generators of `SecureRandom` share locks. An event loop that waits for one gets it after the
/// virtual threads that waited before, each of which must first be run: under load that was
/// seconds.
final class KeyedCounter implements Randomness {
    private static final int KEY_BYTES = 32;

    private final MessageDigest keyed = Sha256.digest();
    private final AtomicLong drawn = new AtomicLong();

    /// Creates a source whose key has 256 bits of `random`.
    KeyedCounter(SecureRandom random) {
        var key = new byte[KEY_BYTES];
        random.nextBytes(key);
        keyed.update(key);
    }

    @Override
    public long nextLong() {
        byte[] counter = ByteBuffer.allocate(Long.BYTES).putLong(drawn.getAndIncrement()).array();
        return ByteBuffer.wrap(afterKey().digest(counter)).getLong();
    }

    /// Returns a digest that has read the key.
    private MessageDigest afterKey() {
        try {
            return (MessageDigest) keyed.clone();
        } catch (CloneNotSupportedException e) {
            throw new IllegalStateException("SHA-256 of Java can be cloned", e);
        }
    }
}
