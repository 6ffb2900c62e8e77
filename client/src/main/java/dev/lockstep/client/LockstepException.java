// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.client;

/// Thrown when the server refuses or fails a request, when it cannot be reached, or when a time-out
/// ends the request. The message is the server's, or the name of the gRPC status code where the
/// server sends none.
public final class LockstepException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final boolean retryable;

    LockstepException(String message, boolean retryable, Throwable cause) {
        super(message, cause);
        this.retryable = retryable;
    }

    LockstepException(String message) {
        super(message);
        this.retryable = false;
    }

    /// Returns whether the same request may succeed later: true for the gRPC status codes
    /// `UNAVAILABLE` (not reachable, not ready), `ABORTED` (the group was lost while the request
    /// ran), and `RESOURCE_EXHAUSTED` where the server suggests when to retry (overloaded; without
    /// a suggestion the request is too large).
    public boolean retryable() {
        return retryable;
    }
}
