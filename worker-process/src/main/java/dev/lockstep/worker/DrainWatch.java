// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.DeviceLostException;
import dev.lockstep.kernels.Kernels;
import java.time.Duration;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Gives up a device that does not come to the end of an aborted epoch while the step thread waits
/// for it: nothing can end such a wait but the end of the process.
///
/// Counts ticks of its thread, not the clock's time, so that a process that was stopped and
/// continued does not give up its device. The thread starts with the first abort.
final class DrainWatch implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(DrainWatch.class);
    private static final Duration TICK = Duration.ofMillis(100);
    private static final int CAPACITY = 16;

    private final Kernels kernels;
    private final Duration limit;
    private final Consumer<Throwable> unusable;
    private final ThreadPoolExecutor thread =
            new ThreadPoolExecutor(
                    1,
                    1,
                    0,
                    TimeUnit.SECONDS,
                    new ArrayBlockingQueue<>(CAPACITY),
                    Thread.ofPlatform().daemon().name("drain-watch").factory(),
                    new ThreadPoolExecutor.DiscardPolicy());

    /// @param limit how long the device may be busy without finishing an op
    DrainWatch(Kernels kernels, Duration limit, Consumer<Throwable> unusable) {
        this.kernels = kernels;
        this.limit = limit;
        this.unusable = unusable;
    }

    /// Watches the device until the step thread has left an epoch that was just aborted. Any thread
    /// may call it.
    void watch(BooleanSupplier left) {
        thread.execute(
                () -> {
                    try {
                        run(left);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                });
    }

    private void run(BooleanSupplier left) throws InterruptedException {
        var work = new Work();
        work.goesOn();
        for (Duration idle = Duration.ZERO; !left.getAsBoolean(); ) {
            if (idle.compareTo(limit) >= 0) {
                unusable.accept(
                        new DeviceLostException(
                                "the device has finished no op for %d s after its ops were aborted%s"
                                        .formatted(limit.toSeconds(), work.unanswered)));
                return;
            }
            Thread.sleep(TICK);
            idle = work.goesOn() ? Duration.ZERO : idle.plus(TICK);
        }
    }

    /// What the device does during a watch. One that does not answer counts as one that stands
    /// still: the step thread may wait for it without an end.
    private final class Work {
        private boolean attached;
        private long finished;

        /// Why the device did not answer, as the end of a message; empty if it did.
        private String unanswered = "";

        /// Returns whether the device has finished an op since the last call, or has none.
        boolean goesOn() {
            try {
                if (!attached) {
                    kernels.attachThread();
                    attached = true;
                }
                long before = finished;
                finished = kernels.progress();
                unanswered = "";
                return finished != before || !kernels.busy();
            } catch (RuntimeException e) {
                unanswered = ", and does not answer: " + e.getMessage();
                return false;
            }
        }
    }

    /// Returns once nothing asks the device any more.
    @Override
    public void close() {
        thread.shutdownNow();
        try {
            if (!thread.awaitTermination(TICK.multipliedBy(20).toMillis(), TimeUnit.MILLISECONDS)) {
                LOG.warn("the watch of an aborted epoch does not end");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
