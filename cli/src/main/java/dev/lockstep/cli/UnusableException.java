package dev.lockstep.cli;

/// Something a user must mend before a start can succeed; the message is the one line shown.
final class UnusableException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    UnusableException(String message) {
        super(message);
    }
}
