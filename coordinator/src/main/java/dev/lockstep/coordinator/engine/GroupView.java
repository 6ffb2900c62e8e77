// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import dev.lockstep.proto.v1.GroupStatus;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// The state of one scheduler as this coordinator knows it. Immutable, except that `blocks` and
/// `sent` are updated.
///
/// @param id the scheduler's incarnation
/// @param alive whether its heartbeat arrives
/// @param status the last one reported; until the first, only its group and the reason
/// @param bytesPerStep mean bytes of a step on the wire to one rank, over the last seconds; 0 when
///   no step ran
/// @param blocks the blocks in its prefix cache
/// @param sent the requests that this coordinator sent to it
public record GroupView(
        String id,
        boolean alive,
        GroupStatus status,
        double bytesPerStep,
        BlockIndex blocks,
        SentRequests sent) {

    public boolean ready() {
        return alive && status.getReady();
    }

    /// Whether it is ready, and what is sent to it runs. While a group is formed anew with another
    /// number of ranks it is ready without blocks, and requests wait.
    boolean computes() {
        return ready() && hasBlocks();
    }

    boolean hasBlocks() {
        return status.getBlocksTotal() > 0;
    }

    /// Whether its running requests go on, although it may accept no new ones.
    boolean runs() {
        return ready() || (alive && status.getDraining() && status.getEpoch() > 0);
    }

    /// Returns the view of the same scheduler with a new state.
    GroupView with(boolean newAlive, GroupStatus newStatus, double newBytesPerStep) {
        return new GroupView(id, newAlive, newStatus, newBytesPerStep, blocks, sent);
    }

    /// @param open whether it accepts the request
    Router.Candidate candidate(boolean open, int cachedTokens) {
        return new Router.Candidate(
                id,
                status.getModel(),
                open,
                new Router.Load(
                        status.getRunning() + status.getWaiting() + sent.pendingChoices(),
                        status.getMaxNumSeqs(),
                        status.getWaitingTokens() + sent.pendingTokens(),
                        status.getBlocksFree()),
                cachedTokens);
    }

    /// Returns one view for each group, by name: of a leader and a standby, the one that is ready
    /// or has the higher epoch.
    public static Collection<GroupView> byGroup(List<GroupView> views) {
        Map<String, GroupView> byName = new TreeMap<>();
        for (GroupView view : views) {
            byName.merge(
                    view.status().getGroup(),
                    view,
                    (one, other) ->
                            other.status().getReady()
                                            || other.status().getEpoch() > one.status().getEpoch()
                                    ? other
                                    : one);
        }
        return byName.values();
    }
}
