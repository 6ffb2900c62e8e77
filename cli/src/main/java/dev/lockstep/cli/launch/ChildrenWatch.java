// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import java.time.Duration;
import java.util.List;
import java.util.function.Supplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Expects a beat of every child once a second. When this process itself stood still, nothing that
/// the children sent meanwhile has been read, so nothing counts as missed.
final class ChildrenWatch implements AutoCloseable {
    private static final Duration TICK = Duration.ofSeconds(1);
    private static final Duration PAUSED = Duration.ofSeconds(2);
    private static final Logger LOG = LogManager.getLogger(ChildrenWatch.class);

    private final Supplier<List<Child>> children;
    private final Thread thread;

    /// @param children those of the moment
    ChildrenWatch(Supplier<List<Child>> children) {
        this.children = children;
        this.thread = Thread.ofPlatform().daemon().name("children").start(this::watch);
    }

    private void watch() {
        try {
            while (true) {
                long before = System.nanoTime();
                Thread.sleep(TICK);
                boolean paused = System.nanoTime() - before > PAUSED.toNanos();
                children.get().forEach(paused ? Child::excuseBeats : Child::expectBeat);
            }
        } catch (InterruptedException e) {
            LOG.debug("the children are not watched any more");
        }
    }

    @Override
    public void close() {
        thread.interrupt();
    }
}
