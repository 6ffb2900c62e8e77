// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import java.time.Duration;

/// The limit of waits in tests.
public final class TestTimeout {
    /// Only a hang takes longer, however busy the machine is.
    public static final Duration HANG = Duration.ofMinutes(2);

    private TestTimeout() {}
}
