// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.lockstep.scheduler.Payload;

/// Payloads in messages.
final class Payloads {
    private Payloads() {}

    /// No code writes a payload, so its bytes are not copied.
    static ByteString toProto(Payload payload) {
        return UnsafeByteOperations.unsafeWrap(payload.bytes());
    }

    static Payload fromProto(ByteString bytes) {
        return Payload.of(bytes.toByteArray());
    }
}
