// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.CallFacts;
import dev.lockstep.coordinator.engine.GroupView;
import java.util.List;

/// The state of a coordinator at one moment, for whoever looks for a fault.
///
/// @param obstacle why it is not ready; empty when it is
/// @param openRequests their calls to schedulers, one for each prompt and attempt
record CoordinatorFacts(
        String obstacle,
        boolean draining,
        List<GroupFacts> groups,
        List<List<CallFacts>> openRequests) {

    /// A scheduler as this coordinator knows it.
    ///
    /// @param scheduler its id
    /// @param alive whether its heartbeat arrives
    /// @param cachedBlocks blocks of its cache that this coordinator knows
    record GroupFacts(
            String scheduler,
            String group,
            boolean alive,
            boolean ready,
            String reason,
            long epoch,
            int running,
            int waiting,
            long waitingTokens,
            int cachedBlocks) {
        static GroupFacts of(GroupView view) {
            return new GroupFacts(
                    view.id(),
                    view.status().getGroup(),
                    view.alive(),
                    view.ready(),
                    view.status().getReason(),
                    view.status().getEpoch(),
                    view.status().getRunning(),
                    view.status().getWaiting(),
                    view.status().getWaitingTokens(),
                    view.blocks().size());
        }
    }
}
