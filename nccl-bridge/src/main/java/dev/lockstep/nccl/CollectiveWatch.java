// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import java.time.Duration;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/// The watchdog of collectives that run on a device, where a lost peer shows as a kernel that never
/// ends: it polls for errors that came up later, and aborts when the device is busy without
/// progress.
///
/// Everything is counted in ticks of this thread, not by the clock, so that a rank that was stopped
/// and continued does not abort. The communicator that starts it closes it.
final class CollectiveWatch implements AutoCloseable {
    static final Duration TICK = Duration.ofMillis(100);
    static final Duration PATIENCE = Duration.ofSeconds(5);

    /// The patience until the group has formed: a rank may compile kernels while the others wait in
    /// a collective.
    static final Duration FORMING_PATIENCE = Duration.ofSeconds(60);

    private final int rank;
    private final Runnable attach;
    private final Duration patience;
    private final LongSupplier progress;
    private final BooleanSupplier busy;
    private final Runnable poll;
    private final Consumer<String> abort;
    private final Thread thread;
    private volatile boolean formed;
    private volatile boolean closed;

    private boolean attached;
    private long lastProgress;

    /// Why the device did not answer, as the end of a message; empty if it did.
    private String unanswered = "";

    private int idleTicks;

    /// All of these are called by this thread.
    ///
    /// @param attach attaches this thread to the device
    /// @param patience how long the device may be busy without progress once the group has formed
    /// @param progress the number of ops finished on the device
    /// @param busy whether the device has work that it has not finished
    /// @param poll throws what NCCL has reported
    /// @param abort receives the reason to abort, more than once if it does not help
    CollectiveWatch(
            int rank,
            Runnable attach,
            Duration patience,
            LongSupplier progress,
            BooleanSupplier busy,
            Runnable poll,
            Consumer<String> abort) {
        this.rank = rank;
        this.attach = attach;
        this.patience = patience;
        this.progress = progress;
        this.busy = busy;
        this.poll = poll;
        this.abort = abort;
        this.thread =
                Thread.ofPlatform().daemon().name("collective-watch-" + rank).unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    /// Ends [#FORMING_PATIENCE]. Any thread may call it.
    void formed() {
        formed = true;
    }

    private void run() {
        while (!closed) {
            tick();
            try {
                Thread.sleep(TICK);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    void tick() {
        boolean still = standsStill();
        try {
            poll.run();
        } catch (RuntimeException e) {
            abort.accept(e.getMessage() + "");
            return;
        }
        idleTicks = still ? idleTicks + 1 : 0;
        Duration limit = formed ? patience : FORMING_PATIENCE;
        if (TICK.multipliedBy(idleTicks).compareTo(limit) >= 0) {
            abort.accept(
                    "rank %d waits for its device, which finished no op for %.1f s%s"
                            .formatted(rank, limit.toMillis() / 1000.0, unanswered));
        }
    }

    /// Returns whether the device has finished no op since the last tick, though it is busy. One
    /// that does not answer counts as one that stands still.
    private boolean standsStill() {
        try {
            if (!attached) {
                attach.run();
                attached = true;
            }
            long before = lastProgress;
            lastProgress = progress.getAsLong();
            unanswered = "";
            return lastProgress == before && busy.getAsBoolean();
        } catch (RuntimeException e) {
            unanswered = ", and does not answer: " + e.getMessage();
            return true;
        }
    }

    @Override
    public void close() {
        closed = true;
        thread.interrupt();
        try {
            thread.join(TICK.multipliedBy(20));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
