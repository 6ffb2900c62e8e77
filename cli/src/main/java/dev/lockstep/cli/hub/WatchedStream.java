// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/// A response body whose read fails when no byte arrives for too long: the HTTP client has no read
/// time-out.
final class WatchedStream extends FilterInputStream {
    private static final ScheduledExecutorService TIMER =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().daemon().name("download-watch").factory());

    private final long silenceNanos;
    private final ScheduledFuture<?> watch;
    private volatile boolean reading;
    private volatile long sinceNanos;

    /// Wraps a body.
    ///
    /// @param silence time without a byte after which a read fails
    WatchedStream(InputStream in, Duration silence) {
        super(in);
        silenceNanos = silence.toNanos();
        long pause = Math.max(1, silenceNanos / 4);
        watch = TIMER.scheduleWithFixedDelay(this::check, pause, pause, TimeUnit.NANOSECONDS);
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
        sinceNanos = System.nanoTime();
        reading = true;
        try {
            return in.read(into, offset, length);
        } finally {
            reading = false;
        }
    }

    /// Closes the stream, which ends a blocked read, if the read has waited too long.
    private void check() {
        if (!reading || System.nanoTime() - sinceNanos < silenceNanos) {
            return;
        }
        try {
            in.close();
        } catch (IOException e) {
            // The read fails either way.
        }
    }

    @Override
    public void close() throws IOException {
        watch.cancel(false);
        super.close();
    }
}
