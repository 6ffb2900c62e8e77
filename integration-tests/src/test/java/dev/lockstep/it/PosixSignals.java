// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.UncheckedIOException;

/// Sends POSIX signals.
final class PosixSignals {
    private PosixSignals() {}

    /// Sends a signal and waits until it is sent.
    ///
    /// @param signal its name without SIG
    /// @param target a process id, or a process group id preceded by a minus
    static void send(String signal, String target) {
        try {
            Process kill =
                    new ProcessBuilder("sh", "-c", "kill -s \"$1\" -- \"$2\"", "sh", signal, target)
                            .inheritIO()
                            .start();
            assertEquals(0, kill.waitFor(), () -> "kill -s " + signal + " " + target);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }
}
