package dev.lockstep.nccl;

/// The ranks of a group could not meet; the message names who or what, and nothing is left behind.
public final class RendezvousException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public RendezvousException(String message) {
        super(message);
    }

    public RendezvousException(String message, Throwable cause) {
        super(message, cause);
    }
}
