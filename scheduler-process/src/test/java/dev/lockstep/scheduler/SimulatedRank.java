// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.StepOrder;
import dev.lockstep.cluster.StreamFence;
import java.util.List;
import java.util.Optional;

/// A worker process: the fence and the order of steps of a real one, and a [FakeWorker] for what it
/// computes. It keeps its memory from epoch to epoch.
final class SimulatedRank extends SimulatedProcess {
    private final ClusterSimulation cluster;
    private final int group;
    private final StreamFence<RankLink> fence = new StreamFence<>();
    private Optional<FakeWorker> worker = Optional.empty();
    private Optional<StepOrder> order = Optional.empty();
    private long busyUntil;

    SimulatedRank(ClusterSimulation cluster, int group, String name) {
        super(cluster.time(), name);
        this.cluster = cluster;
        this.group = group;
    }

    void join(RankLink link) {
        Optional<RankLink> previous = fence.current();
        if (!fence.adopt(link.epoch(), link)) {
            cluster.happened(Happening.STALE_JOIN_REFUSED);
            link.replyStale(fence.highestEpoch());
            return;
        }
        order = Optional.empty();
        previous.ifPresent(other -> other.closeAtRank());
        link.replyJoined(worker.map(FakeWorker::held).orElse(List.of()));
    }

    void form(RankLink link, GroupShape shape, boolean keepBlocks) {
        if (!fence.admits(link)) {
            cluster.happened(Happening.STALE_COMMAND_REFUSED);
            return;
        }
        var fresh = new FakeWorker(shape);
        if (keepBlocks) {
            worker.ifPresent(fresh::takeOver);
        }
        worker = Optional.of(fresh);
        order = Optional.of(new StepOrder(shape.epoch()));
        link.replyFormed();
    }

    /// Runs a step when the device has finished those before it.
    void run(RankLink link, StepPlan plan) {
        busyUntil = Math.max(busyUntil, time.nanos());
        time.at(busyUntil, () -> receive(() -> execute(link, plan)));
        busyUntil += time.between(5, 25);
    }

    private void execute(RankLink link, StepPlan plan) {
        if (!fence.admits(link) || order.isEmpty()) {
            cluster.happened(Happening.STALE_COMMAND_REFUSED);
            return;
        }
        order.get().require(plan.epoch(), plan.number());
        if (cluster.poisons(plan)) {
            cluster.faults().restart(this);
            return;
        }
        cluster.executed(group, this, link, plan.number());
        StepResult result = worker.orElseThrow().run(plan);
        order.get().ran();
        link.replyResult(time.between(5, 20), result);
    }

    void ended(RankLink link) {
        if (fence.release(link)) {
            order = Optional.empty();
        }
    }
}
