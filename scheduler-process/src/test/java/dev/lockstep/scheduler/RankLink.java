// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// The stream of one epoch of a simulated scheduler to one rank.
final class RankLink {
    private final SimulatedScheduler scheduler;
    private final SimulatedRank rank;
    private final int number;
    private final long epoch;
    private final Wire wire;

    /// @param number of the rank in its group
    RankLink(SimulatedScheduler scheduler, SimulatedRank rank, int number, long epoch, Wire wire) {
        this.scheduler = scheduler;
        this.rank = rank;
        this.number = number;
        this.epoch = epoch;
        this.wire = wire;
        wire.onEnd(() -> scheduler.rankEnded(this), () -> rank.ended(this));
    }

    SimulatedScheduler scheduler() {
        return scheduler;
    }

    int number() {
        return number;
    }

    long epoch() {
        return epoch;
    }

    void join() {
        wire.toServer(() -> rank.join(this));
    }

    void form(GroupShape shape, boolean keepBlocks) {
        wire.toServer(() -> rank.form(this, shape, keepBlocks));
    }

    void step(StepPlan plan) {
        wire.toServer(() -> rank.run(this, plan));
    }

    void close() {
        wire.close(scheduler);
    }

    void closeAtRank() {
        wire.close(rank);
    }

    void replyStale(long highestEpoch) {
        wire.toClient(() -> scheduler.stale(this, highestEpoch));
    }

    void replyJoined(List<FakeWorker.Held> held) {
        wire.toClient(() -> scheduler.joined(this, held));
    }

    void replyFormed() {
        wire.toClient(() -> scheduler.formed(this));
    }

    void replyResult(long computeNanos, StepResult result) {
        wire.toClient(computeNanos, () -> scheduler.completed(this, result));
    }
}
