package dev.lockstep.worker;

/// Too little memory for what was asked; the message is the one line a user sees.
public final class OutOfHostMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    OutOfHostMemoryException(String message) {
        super(message);
    }
}
