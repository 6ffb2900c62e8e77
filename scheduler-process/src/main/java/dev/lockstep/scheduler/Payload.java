// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.Arrays;

/// Bytes that pass through the scheduler unread: a request's sampling settings and constraint on
/// their way to the workers, log-probabilities and hidden states on their way to the client. No
/// code writes them.
public record Payload(byte[] bytes) {
    public static final Payload NONE = new Payload(new byte[0]);

    /// Wraps `bytes` without a copy; returns [#NONE] for no bytes.
    public static Payload of(byte[] bytes) {
        return bytes.length == 0 ? NONE : new Payload(bytes);
    }

    public boolean isEmpty() {
        return bytes.length == 0;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Payload that && Arrays.equals(bytes, that.bytes);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(bytes);
    }

    @Override
    public String toString() {
        return bytes.length + " bytes";
    }
}
