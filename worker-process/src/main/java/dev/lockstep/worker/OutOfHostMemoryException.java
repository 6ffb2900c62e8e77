// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

/// Thrown if the host has too little memory; the message is the one line that a user sees.
public final class OutOfHostMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    OutOfHostMemoryException(String message) {
        super(message);
    }
}
