// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.function.Executable;

/// Asserts that something is refused with one line that holds the given parts.
final class Refused {
    private Refused() {}

    static void naming(Executable attempt, String... parts) {
        String line = assertThrows(CheckpointException.class, attempt).getMessage();
        assertFalse(line.contains("\n"), line);
        for (String part : parts) {
            assertTrue(line.contains(part), () -> "no \"" + part + "\" in: " + line);
        }
    }
}
