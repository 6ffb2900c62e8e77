// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.time.Duration;

/// A clock that counts the CPU time that a thread which only computes gets: while other processes
/// use the cores it runs slower, as do the processes under test. On an idle machine it shows the
/// wall time.
///
/// A guarantee such as "within 2 s" is measured with it: a busy machine does not break the
/// guarantee, and on an idle machine it is as strict as with wall time. The clock itself uses a
/// fifth of a core.
public final class LoadAwareClock implements AutoCloseable {
    /// CPU time after which the clock computes its speed anew: several time slices of the kernel.
    private static final Duration BURST = Duration.ofMillis(10);

    /// Between two bursts, so that the clock itself uses only a fifth of a core.
    private static final Duration PAUSE = Duration.ofMillis(40);

    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private final Thread thread;
    private volatile long elapsedNanos;

    /// Starts the clock at 0.
    public LoadAwareClock() {
        // Loads the classes first, which would count as a slow machine.
        speed();
        thread = Thread.ofPlatform().daemon().name("load-aware-clock").start(this::run);
    }

    /// Returns the time since the start, up to the end of the last pause: it lags by up to one
    /// cycle, which takes 50 ms on an idle machine and longer on a busy one.
    public Duration elapsed() {
        return Duration.ofNanos(elapsedNanos);
    }

    private void run() {
        long elapsed = 0;
        try {
            while (true) {
                long start = System.nanoTime();
                double speed = speed();
                Thread.sleep(PAUSE);
                elapsed += (long) (speed * (System.nanoTime() - start));
                elapsedNanos = elapsed;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// Computes for [#BURST] and returns the share of the wall time that this thread ran.
    private static double speed() {
        long wall = System.nanoTime();
        long start = THREADS.getCurrentThreadCpuTime();
        long now = start;
        while (now < start + BURST.toNanos()) {
            Thread.onSpinWait();
            now = THREADS.getCurrentThreadCpuTime();
        }
        return Math.min(1, (now - start) / (double) (System.nanoTime() - wall));
    }

    @Override
    public void close() {
        thread.interrupt();
    }
}
