// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.google.protobuf.ByteString;

/// A request as its client sent it, from which any coordinator can write its response.
///
/// @param route the path of an HTTP request, or the name of a gRPC method
/// @param key the digest of its idempotency key, or empty
record RequestOrigin(String route, ByteString body, String key) {
    /// The limit of a body that is kept for another coordinator.
    static final int MAX_BYTES = 1 << 20;

    /// Whether the bodies that as many prompts bring to their schedulers are within the limit.
    boolean fits(int prompts) {
        return (long) prompts * body.size() <= MAX_BYTES;
    }

    boolean isRepeatable() {
        return !key.isEmpty();
    }
}
