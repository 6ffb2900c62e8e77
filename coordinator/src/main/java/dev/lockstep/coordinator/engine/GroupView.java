package dev.lockstep.coordinator.engine;

import dev.lockstep.proto.v1.GroupStatus;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// One scheduler as this coordinator sees it now: part of a snapshot, immutable but for what counts
/// on.
///
/// @param id the scheduler's incarnation
/// @param alive its heartbeat comes
/// @param status the last it told; the default when it never did
/// @param bytesPerStep on the wire to one rank, over the last seconds; 0 when nothing ran
/// @param blocks that its prefix cache holds
public record GroupView(
        String id,
        boolean alive,
        GroupStatus status,
        double bytesPerStep,
        BlockIndex blocks,
        Sent sent,
        Routed routed) {

    public boolean ready() {
        return alive && status.getReady();
    }

    /// The same scheduler as it stands now.
    GroupView with(boolean nowAlive, GroupStatus now, double nowBytesPerStep) {
        return new GroupView(id, nowAlive, now, nowBytesPerStep, blocks, new Sent(), routed);
    }

    Router.Candidate candidate(int cachedTokens) {
        return new Router.Candidate(
                id,
                status.getModel(),
                ready(),
                new Router.Load(
                        status.getRunning() + status.getWaiting() + sent.choices(),
                        status.getMaxNumSeqs(),
                        status.getWaitingTokens() + sent.tokens(),
                        status.getBlocksFree()),
                cachedTokens);
    }

    /// One for each group, by its name: of a leader and a standby, the one that knows more.
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
