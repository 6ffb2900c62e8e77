// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

/// Thrown if a host or a GPU has too little memory; the message is the one line that a user sees.
public final class TooLittleMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    TooLittleMemoryException(String message) {
        super(message);
    }
}
