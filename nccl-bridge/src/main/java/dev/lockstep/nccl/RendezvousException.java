// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

/// Thrown when the ranks of a group could not meet; the message names the ranks or the cause, and
/// no file is left.
public final class RendezvousException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public RendezvousException(String message) {
        super(message);
    }

    public RendezvousException(String message, Throwable cause) {
        super(message, cause);
    }
}
