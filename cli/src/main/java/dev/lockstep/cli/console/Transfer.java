package dev.lockstep.cli.console;

import java.util.concurrent.atomic.AtomicLong;

/// How far a download has come, with its rate. Safe for any number of threads.
public final class Transfer {
    private final Terminal terminal;
    private final long total;
    private final long startNanos = System.nanoTime();
    private final AtomicLong bytes = new AtomicLong();
    private final AtomicLong received = new AtomicLong();

    /// @param total 0 when nobody knows
    public Transfer(Terminal terminal, long total) {
        this.terminal = terminal;
        this.total = total;
    }

    /// Counts bytes that came now.
    public void receive(long count) {
        received.addAndGet(count);
        bytes.addAndGet(count);
    }

    /// Counts bytes that were there before, or takes back those that are thrown away.
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
