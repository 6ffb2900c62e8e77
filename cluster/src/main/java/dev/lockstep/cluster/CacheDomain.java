// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.Sha256;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;

/// The domain of [BlockHasher#root] for a request, which decides which requests share cached
/// blocks.
///
/// Schedulers name blocks by it and the coordinators' routers look for those names, so both must
/// compute it here.
public final class CacheDomain {
    private static final long[] NONE = {};

    private CacheDomain() {}

    /// Returns no values when all three are empty; else the first 16 bytes, big-endian, of SHA-256
    /// over the three, each as UTF-8 after its length in 4 bytes, so that no two triples have the
    /// same encoding.
    public static long[] of(String tenant, String cacheSalt, String adapter) {
        if (tenant.isEmpty() && cacheSalt.isEmpty() && adapter.isEmpty()) {
            return NONE;
        }
        MessageDigest digest = Sha256.digest();
        add(digest, tenant);
        add(digest, cacheSalt);
        add(digest, adapter);
        ByteBuffer bytes = ByteBuffer.wrap(digest.digest());
        return new long[] {bytes.getLong(), bytes.getLong()};
    }

    private static void add(MessageDigest digest, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).array());
        digest.update(bytes);
    }
}
