// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.kernels.SamplingSettings;
import java.util.List;

/// One step as the scheduler planned it: released slots, then admissions, then copies, then rows.
record Step(
        long epoch,
        long number,
        int[] releasedSlots,
        List<Admission> admitted,
        List<Copy> copies,
        List<Row> rows) {

    Step {
        admitted = List.copyOf(admitted);
        copies = List.copyOf(copies);
        rows = List.copyOf(rows);
    }

    int tokens() {
        return rows.stream().mapToInt(Row::count).sum();
    }

    /// The assignment of a slot to a sequence.
    ///
    /// @param requestId the request, for the log
    /// @param outputIds ids that were generated before the sequence was preempted
    /// @param computed number of positions found in the cache; their blocks are part of the first
    ///   row
    /// @param generates whether rows sample tokens once all ids are computed
    /// @param withoutKv whether the sequence is one row of this step, whose keys and values no
    ///   later step needs
    record Admission(
            String requestId,
            int slot,
            int[] promptIds,
            int[] outputIds,
            SamplingSettings settings,
            int computed,
            OutputSettings outputs,
            boolean generates,
            boolean withoutKv) {

        /// Creates an admission that generates and requests no other outputs.
        Admission(
                String requestId,
                int slot,
                int[] promptIds,
                int[] outputIds,
                SamplingSettings settings,
                int computed) {
            this(
                    requestId,
                    slot,
                    promptIds,
                    outputIds,
                    settings,
                    computed,
                    OutputSettings.NONE,
                    true,
                    false);
        }
    }

    /// A copy of the first `tokens` tokens of a block.
    record Copy(int kvGroup, int from, int to, int tokens) {}

    /// The tokens `[computed, computed + count)` of a slot.
    ///
    /// @param newBlocks blocks to append to the slot's table, for each KV group
    /// @param names names of the slot's next full blocks without one
    record Row(int slot, int computed, int count, List<int[]> newBlocks, List<BlockHash> names) {
        Row {
            newBlocks = List.copyOf(newBlocks);
            names = List.copyOf(names);
        }
    }
}
