// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

/// Thrown when the communicator was aborted or a peer is gone; the group must be formed again.
public final class CommunicatorAbortedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public CommunicatorAbortedException(String message) {
        super(message);
    }
}
