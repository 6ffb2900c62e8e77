// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.scheduler.Load;
import dev.lockstep.scheduler.LostSequences;
import dev.lockstep.scheduler.Policies;
import dev.lockstep.scheduler.Scheduler;
import dev.lockstep.scheduler.Timeline;
import dev.lockstep.scheduler.WaitingLimits;
import java.util.Optional;

/// Begins and ends epochs: creates the scheduler of a formed group, which takes over the blocks
/// that its ranks still hold and is recorded if that was requested, and keeps the totals of ended
/// epochs.
///
/// Owned by the step loop's thread.
final class Epochs {
    private final WaitingLimits limits;
    private final Policies policies;
    private final byte[] hashKey;
    private final BlockHasher hasher;
    private final BlockJournal journal;
    private final Optional<Recording> recording;
    private final Timeline timeline;
    private final Clock clock;
    private Load.Totals before = Load.Totals.NONE;
    private long formations;
    private long losses;

    Epochs(
            WaitingLimits limits,
            Policies policies,
            byte[] hashKey,
            BlockJournal journal,
            Optional<Recording> recording,
            Timeline timeline,
            Clock clock) {
        this.limits = limits;
        this.policies = policies;
        this.hashKey = hashKey.clone();
        this.hasher = new BlockHasher(hashKey);
        this.journal = journal;
        this.recording = recording;
        this.timeline = timeline;
        this.clock = clock;
    }

    Epoch begin(FormedGroup group) {
        formations++;
        journal.begin(group.shape().epoch());
        var scheduler = new Scheduler(group.shape(), limits, policies, hasher, journal, timeline);
        recording.ifPresent(to -> record(group, scheduler, to));
        for (CommonBlocks.Block block : group.held().blocks()) {
            scheduler.adopt(block.kvGroup(), block.block(), block.name());
        }
        return new Epoch(group, scheduler);
    }

    private void record(FormedGroup group, Scheduler scheduler, Recording to) {
        to.formed(group.shape(), limits, policies, hashKey, group.held(), clock.nanoTime());
        scheduler.recordTo(to);
    }

    /// Ends an epoch whose group is lost.
    LostSequences end(Epoch epoch, GroupLoss.Cause cause) {
        losses += cause == GroupLoss.Cause.RESIZED ? 0 : 1;
        before = before.plus(epoch.scheduler().load().totals());
        return epoch.scheduler().lose(cause == GroupLoss.Cause.RANK_FAILED, clock.nanoTime());
    }

    /// Returns the load of an epoch, or of none, with the totals of all ended epochs.
    ///
    /// @param refused requests that were refused before any epoch received them
    Load load(Optional<Epoch> epoch, long refused) {
        Load load = epoch.map(it -> it.scheduler().load()).orElse(Load.NONE);
        return load.withTotals(before.plus(load.totals()).plusRefused(refused));
    }

    /// Epochs that began.
    long formations() {
        return formations;
    }

    /// Epochs that ended otherwise than for another number of ranks.
    long losses() {
        return losses;
    }

    /// Closes the recording when the process ends.
    void close() {
        recording.ifPresent(Recording::close);
    }
}
