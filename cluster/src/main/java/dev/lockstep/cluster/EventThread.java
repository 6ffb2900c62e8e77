// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The thread on which a cluster calls listeners, so that no listener blocks ZooKeeper's own
/// threads.
///
/// Its queue stays short without a bound: a listener has at most one queued call ([MemberTable])
/// and elections are rare. After closing, calls are dropped.
final class EventThread implements Executor, AutoCloseable {

    private static final Logger LOG = LogManager.getLogger(EventThread.class);

    private final BlockingQueue<Runnable> calls = new LinkedBlockingQueue<>();
    private final Thread thread;
    private volatile boolean open = true;

    EventThread(String name) {
        thread = Thread.ofPlatform().daemon().name(name).start(this::loop);
    }

    @Override
    public void execute(Runnable call) {
        calls.add(call);
    }

    private void loop() {
        while (open) {
            try {
                calls.take().run();
            } catch (InterruptedException e) {
                // Only close interrupts, or a listener that leaves its flag set; the loop condition
                // distinguishes the two.
                LOG.trace("interrupted", e);
            } catch (RuntimeException e) {
                LOG.error("a listener failed", e);
            }
        }
    }

    /// Waits at most one second for a listener call in progress; a listener may close its own
    /// cluster.
    @Override
    public void close() {
        open = false;
        thread.interrupt();
        if (Thread.currentThread().equals(thread)) {
            return;
        }
        try {
            if (!thread.join(Duration.ofSeconds(1))) {
                LOG.warn("a listener still runs on {}", thread.getName());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
