// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cluster.process.Daemon;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The stop of all processes of a host.
///
/// @param stepDown time for each role to close after the drain
record Stopping(Child coordinator, List<Child> schedulers, List<Child> workers, Duration stepDown) {
    private static final Logger LOG = LogManager.getLogger(Stopping.class);

    Stopping {
        schedulers = List.copyOf(schedulers);
        workers = List.copyOf(workers);
    }

    /// Stops the processes in the order of a request, since each may still need those after it.
    ///
    /// @param time for running requests
    /// @return false if an interrupt ended it
    boolean drain(Duration time) {
        long end = System.nanoTime() + time.toNanos();
        try {
            coordinator.drain();
            coordinator.awaitEnd(until(end).plus(stepDown));
            // Coordinators of other hosts may have requests here.
            schedulers.forEach(Child::drain);
            for (Child scheduler : schedulers) {
                if (!scheduler.ends(until(end))) {
                    scheduler.say(Daemon.HAND_OVER);
                }
                scheduler.awaitEnd(stepDown);
            }
            workers.forEach(Child::drain);
            for (Child worker : workers) {
                worker.awaitEnd(stepDown);
            }
            return true;
        } catch (InterruptedException e) {
            LOG.info("the drain is over: streams end with an error");
            return false;
        }
    }

    /// Stops all processes at once, and kills those that remain after the time-out.
    void endAll(Duration timeout) {
        List<Child> all = new ArrayList<>(workers);
        all.addAll(schedulers);
        all.add(coordinator);
        all.forEach(Child::closeInput);
        long end = System.nanoTime() + timeout.toNanos();
        try {
            for (Child child : all) {
                child.awaitEnd(until(end));
            }
        } catch (InterruptedException e) {
            LOG.warn("no time left to wait for the processes");
            Thread.currentThread().interrupt();
        }
    }

    private static Duration until(long nanos) {
        return Duration.ofNanos(Math.max(0, nanos - System.nanoTime()));
    }
}
