// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.console;

/// Thrown for a problem that the user must correct; the message is the one line shown.
public final class UnusableException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public UnusableException(String message) {
        super(message);
    }
}
