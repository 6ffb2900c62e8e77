package dev.lockstep.scheduler;

/// A formed group and the scheduler of its epoch.
record Epoch(FormedGroup group, Scheduler scheduler) {
    boolean isOf(WorkerGroup workers) {
        return group.workers() == workers;
    }
}
