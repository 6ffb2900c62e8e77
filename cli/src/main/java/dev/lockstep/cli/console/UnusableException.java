package dev.lockstep.cli.console;

/// Something a user must mend before a start can succeed; the message is the one line shown.
public final class UnusableException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public UnusableException(String message) {
        super(message);
    }
}
