// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.google.protobuf.ByteString;

/// A request as its client sent it, from which any coordinator can write its response.
///
/// @param route the path of an HTTP request, or the name of a gRPC method
/// @param key the digest of its idempotency key, or empty
/// @param stored whether its client finds the response by its id
/// @param items what the body refers to, see [ReferredItems]; empty if the body has all
record RequestOrigin(String route, ByteString body, String key, boolean stored, ByteString items) {
    /// The limit of a body that is kept for another coordinator.
    static final int MAX_BYTES = 1 << 20;

    RequestOrigin(String route, ByteString body, String key) {
        this(route, body, key, false, ByteString.EMPTY);
    }

    /// Returns the origin of a response of `/v1/responses`.
    RequestOrigin of(boolean isStored, ByteString referred) {
        return new RequestOrigin(route, body, key, isStored, referred);
    }

    /// Whether the bodies that as many prompts bring to their schedulers are within the limit.
    boolean fits(int prompts) {
        return (long) prompts * (body.size() + items.size()) <= MAX_BYTES;
    }

    boolean isRepeatable() {
        return !key.isEmpty();
    }
}
