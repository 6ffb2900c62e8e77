// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.scheduler.Load;
import dev.lockstep.scheduler.SequenceFacts;
import java.util.List;

/// The state of the step loop at one moment, for whoever looks for a fault.
///
/// @param epoch 0 without a group
/// @param reason why it is not ready; empty when it is
/// @param waitingTokens token ids of all waiting sequences
/// @param sequences of all requests, running, waiting or parked
record SchedulerFacts(
        long epoch,
        String reason,
        int stepsInFlight,
        int stepTokens,
        int running,
        int waiting,
        long waitingTokens,
        int waitingLimit,
        Blocks blocks,
        GroupHistory groups,
        Load.Totals totals,
        List<SequenceFacts> sequences) {

    SchedulerFacts {
        sequences = List.copyOf(sequences);
    }

    static SchedulerFacts of(
            SchedulerStatus status, int stepsInFlight, List<SequenceFacts> sequences) {
        Load load = status.load();
        return new SchedulerFacts(
                status.group().map(group -> group.shape().epoch()).orElse(0L),
                status.reason(),
                stepsInFlight,
                status.stepTokens(),
                load.running(),
                load.waiting(),
                load.waitingTokens(),
                status.waitingLimit(),
                Blocks.of(load),
                status.history(),
                load.totals(),
                sequences);
    }

    /// KV blocks: those that sequences hold, those that are free and forgotten, and those that are
    /// free and can be found by a prefix make the total.
    record Blocks(long total, long used, long free, long cached) {
        static Blocks of(Load load) {
            return new Blocks(
                    load.blocks(),
                    load.blocks() - load.freeBlocks(),
                    load.freeBlocks() - load.cachedBlocks(),
                    load.cachedBlocks());
        }
    }
}
