// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Objects;

/// The error for a checkpoint that cannot be used.
///
/// The message is the one line a user sees: it names the file, the tensor or key, the value and the
/// remedy. It never needs a stack trace in addition.
public final class CheckpointException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private static final int MAX_LENGTH = 1_000;

    public CheckpointException(String message) {
        super(oneLine(message));
    }

    public CheckpointException(String message, Throwable cause) {
        super(oneLine(message), cause);
    }

    /// Returns the line to show; never null.
    @Override
    public String getMessage() {
        return Objects.requireNonNull(super.getMessage());
    }

    /// Replaces control characters and shortens the line: names come from the file and may hold
    /// anything.
    private static String oneLine(String message) {
        String line = message.replaceAll("\\p{Cntrl}", "?");
        return line.length() <= MAX_LENGTH ? line : line.substring(0, MAX_LENGTH) + "…";
    }
}
