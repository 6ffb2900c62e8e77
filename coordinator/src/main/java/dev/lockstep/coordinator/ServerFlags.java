// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.linecorp.armeria.common.FlagsProvider;

/// The settings that the HTTP server reads from its environment and not from its builder; found by
/// `ServiceLoader`.
public final class ServerFlags implements FlagsProvider {
    /// The delay in which a client that requested the close can close first, so that its side keeps
    /// the memory of the closed connection; a client that reads until the end of the connection
    /// waits for this long.
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
