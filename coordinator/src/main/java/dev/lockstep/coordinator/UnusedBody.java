// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.linecorp.armeria.common.HttpRequest;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/// Reads the body of a request whose response does not depend on it, and throws it away: a client
/// that is still sending would take an early response for a broken stream.
///
/// The client gets the response early nevertheless if the body is too large or takes too long; the
/// server closes the connection then.
final class UnusedBody {
    /// The limit where none is configured.
    static final long MAX_BYTES = 8 << 20;

    private UnusedBody() {}

    /// Runs `respond` once at the end of the body or at the limit.
    static void discard(HttpRequest request, long maxBytes, Duration timeout, Runnable respond) {
        var received = new AtomicLong();
        var _ =
                request.mapData(
                                data -> {
                                    if (received.addAndGet(data.length()) > maxBytes) {
                                        data.close();
                                        throw new IllegalStateException("the body is too large");
                                    }
                                    return data;
                                })
                        .subscribe()
                        .copy()
                        .orTimeout(timeout.toNanos(), TimeUnit.NANOSECONDS)
                        .whenComplete(
                                (_, failure) -> {
                                    respond.run();
                                    if (failure != null) {
                                        request.abort();
                                    }
                                });
    }
}
