package dev.lockstep.coordinator;

import com.linecorp.armeria.common.FlagsProvider;

/// What the HTTP server takes from its surroundings rather than from its builder; found by
/// `ServiceLoader`.
public final class ServerFlags implements FlagsProvider {
    /// A client that asked for it closes first, and so keeps the closed connection's memory; one
    /// that reads until the end of the connection waits for this.
    private static final long CLOSE_DELAY_MILLIS = 50;

    /// Above the library's own defaults, below a system property.
    private static final int PRIORITY = 1;

    @Override
    public int priority() {
        return PRIORITY;
    }

    @Override
    public Long defaultHttp1ConnectionCloseDelayMillis() {
        return CLOSE_DELAY_MILLIS;
    }
}
