// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

/// Asserts that something is refused for the expected reason.
public final class Refusal {

    private Refusal() {}

    public static void assertRefused(String reason, Runnable action) {
        String refusal = assertThrows(IllegalArgumentException.class, action::run).toString();
        assertTrue(refusal.contains(reason), refusal);
    }
}
