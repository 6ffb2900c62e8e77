package dev.lockstep.scheduler;

import java.util.Optional;

/// How the scheduler stands, as routers and people see it: with a group it is ready, without one
/// `reason` says why.
record Standing(Optional<FormedGroup> group, String reason, Scheduler.Load load, int waitingLimit) {
    boolean ready() {
        return group.isPresent() && reason.isEmpty();
    }
}
