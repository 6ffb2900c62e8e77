package dev.lockstep.cli;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/// An answer's body that breaks when nothing has come for too long: the HTTP client would wait for
/// ever.
final class WatchedStream extends FilterInputStream {
    private static final ScheduledExecutorService TIMER =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().daemon().name("download-watch").factory());

    private final Duration silence;

    /// @param silence after which a read fails
    WatchedStream(InputStream in, Duration silence) {
        super(in);
        this.silence = silence;
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
        ScheduledFuture<?> watch =
                TIMER.schedule(this::giveUp, silence.toNanos(), TimeUnit.NANOSECONDS);
        try {
            return in.read(into, offset, length);
        } finally {
            watch.cancel(false);
        }
    }

    /// Closing ends a read that waits.
    private void giveUp() {
        try {
            in.close();
        } catch (IOException e) {
            // The read fails either way.
        }
    }
}
