// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.scheduler.Scheduler;

/// A formed group and the scheduler of its epoch.
record Epoch(FormedGroup group, Scheduler scheduler) {
    boolean isOf(WorkerGroup workers) {
        return group.workers() == workers;
    }
}
