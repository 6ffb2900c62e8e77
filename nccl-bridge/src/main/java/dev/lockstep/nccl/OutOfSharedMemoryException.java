// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

/// Thrown when the folder of shared memory is too small for a group; the message is the one line
/// that a user sees.
public final class OutOfSharedMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    OutOfSharedMemoryException(String message) {
        super(message);
    }
}
