package dev.lockstep.client;

/// A request that the server refused or could not finish; the message is the server's.
public final class LockstepException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final boolean retryable;

    LockstepException(String message, boolean retryable, Throwable cause) {
        super(message, cause);
        this.retryable = retryable;
    }

    /// Whether the same request may succeed later: the server was full, draining or not ready.
    public boolean retryable() {
        return retryable;
    }
}
