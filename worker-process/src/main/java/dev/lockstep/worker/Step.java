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

    /// A sequence takes a slot.
    ///
    /// @param requestId for the log
    /// @param outputIds generated before it was preempted
    /// @param computed positions whose blocks were found in the cache; they come with its first row
    /// @param generates whether its rows sample tokens once all ids are computed
    /// @param withoutKv all of it is one row of this step, whose keys and values nobody needs again
    record Admission(
            String requestId,
            int slot,
            int[] promptIds,
            int[] outputIds,
            SamplingSettings settings,
            int computed,
            PromptOutputs outputs,
            boolean generates,
            boolean withoutKv) {

        /// Of a sequence that only generates.
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
                    PromptOutputs.NONE,
                    true,
                    false);
        }
    }

    /// Copies the first `tokens` tokens of a block.
    record Copy(int kvGroup, int from, int to, int tokens) {}

    /// Tokens `[computed, computed + count)` of a slot.
    ///
    /// @param newBlocks appended to the slot's table, for each KV group
    /// @param names of the slot's next full blocks that have none yet
    record Row(int slot, int computed, int count, List<int[]> newBlocks, List<BlockHash> names) {
        Row {
            newBlocks = List.copyOf(newBlocks);
            names = List.copyOf(names);
        }
    }
}
