// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.scheduler.Load;
import java.util.Optional;

/// The status of the scheduler, for routers and users: with a group it is ready, without one
/// `reason` says why.
///
/// @param draining whether it accepts no new requests
/// @param stepTokens tokens that a step may have now
/// @param stepBytes bytes of all steps on the wire, to one rank
/// @param canarySteps those that found what is known
/// @param expelledRanks ranks that were taken out because their results were wrong
/// @param slowRank the name of the rank that the others wait for most of the time
record SchedulerStatus(
        Optional<FormedGroup> group,
        String reason,
        boolean draining,
        Load load,
        GroupHistory history,
        int stepTokens,
        long stepBytes,
        int waitingLimit,
        long canarySteps,
        long expelledRanks,
        Optional<String> slowRank) {
    boolean ready() {
        return group.isPresent() && reason.isEmpty();
    }
}
