// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.console;

import java.util.concurrent.atomic.AtomicLong;

/// The progress and the rate of a download. Safe for any number of threads.
public final class Transfer {
    private final Terminal terminal;
    private final long total;
    private final long startNanos = System.nanoTime();
    private final AtomicLong bytes = new AtomicLong();
    private final AtomicLong received = new AtomicLong();

    /// Creates a transfer of which no byte is received.
    ///
    /// @param total bytes of the download; 0 if unknown
    public Transfer(Terminal terminal, long total) {
        this.terminal = terminal;
        this.total = total;
    }

    /// Adds received bytes to the progress and the rate.
    public void receive(long count) {
        received.addAndGet(count);
        bytes.addAndGet(count);
    }

    /// Adds bytes to the progress alone: positive for those present before, negative for those
    /// discarded.
    public void count(long more) {
        bytes.addAndGet(more);
    }

    public void show() {
        double seconds = Math.max(1e-3, (System.nanoTime() - startNanos) / 1e9);
        long now = bytes.get();
        terminal.progress(
                "downloading %s%s, %s/s"
                        .formatted(
                                Terminal.bytes(now),
                                total > 0 ? " of " + Terminal.bytes(total) : "",
                                Terminal.bytes((long) (received.get() / seconds))),
                total > 0 ? Math.min(now, total) : 0,
                total);
    }
}
