// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.journal;

/// The journal cannot take a request now; the message names its file and no folder.
public final class JournalUnavailableException extends RuntimeException {
    private static final long serialVersionUID = 1;

    JournalUnavailableException(String message) {
        super(message, null, false, false);
    }
}
