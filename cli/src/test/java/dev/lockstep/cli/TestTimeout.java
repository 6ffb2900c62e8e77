package dev.lockstep.cli;

import java.time.Duration;

/// The limit of waits in tests.
public final class TestTimeout {
    /// Only what hangs takes longer, however busy the machine is.
    public static final Duration HANG = Duration.ofMinutes(2);

    private TestTimeout() {}
}
