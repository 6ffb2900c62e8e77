package dev.lockstep.scheduler.process;

import dev.lockstep.scheduler.Load;
import java.util.Optional;

/// How the scheduler stands, as routers and people see it: with a group it is ready, without one
/// `reason` says why.
///
/// @param stepBytes what all steps took on the wire, to one rank
record SchedulerStatus(
        Optional<FormedGroup> group, String reason, Load load, long stepBytes, int waitingLimit) {
    boolean ready() {
        return group.isPresent() && reason.isEmpty();
    }
}
