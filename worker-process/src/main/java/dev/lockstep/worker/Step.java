// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.kernels.SamplingSettings;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

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
        return tokens(rows);
    }

    static int tokens(List<Row> rows) {
        int tokens = 0;
        for (Row row : rows) {
            tokens += row.count();
        }
        return tokens;
    }

    /// Whether it admits a prompt that [WorkerMain#POISON] is for.
    boolean admitsPoison() {
        return admitted.stream().anyMatch(each -> each.promptIds[0] == 0);
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
    /// @param constraint of the generated text, on the rank that samples
    /// @param refusal why the request is refused: then its slot is greedy without other outputs
    ///   until it is released
    record Admission(
            String requestId,
            int slot,
            int[] promptIds,
            int[] outputIds,
            SamplingSettings settings,
            int computed,
            OutputSettings outputs,
            boolean generates,
            boolean withoutKv,
            Optional<Constraint> constraint,
            Optional<String> refusal) {

        Admission(
                String requestId,
                int slot,
                int[] promptIds,
                int[] outputIds,
                SamplingSettings settings,
                int computed,
                OutputSettings outputs,
                boolean generates,
                boolean withoutKv) {
            this(
                    requestId,
                    slot,
                    promptIds,
                    outputIds,
                    settings,
                    computed,
                    outputs,
                    generates,
                    withoutKv,
                    Optional.empty(),
                    Optional.empty());
        }

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

        Admission with(SamplingSettings sampling, OutputSettings wanted) {
            return with(sampling, wanted, Optional.empty(), Optional.empty());
        }

        Admission with(Constraint grammar) {
            return with(settings, outputs, Optional.of(grammar), Optional.empty());
        }

        /// Returns the admission without tokens to sample.
        Admission withoutTokens() {
            return new Admission(
                    requestId,
                    slot,
                    promptIds,
                    outputIds,
                    settings,
                    computed,
                    outputs,
                    false,
                    withoutKv,
                    constraint,
                    refusal);
        }

        Admission refused(String reason) {
            return with(
                    SamplingSettings.greedy(),
                    OutputSettings.NONE,
                    Optional.empty(),
                    Optional.of(reason));
        }

        private Admission with(
                SamplingSettings sampling,
                OutputSettings wanted,
                Optional<Constraint> grammar,
                Optional<String> reason) {
            return new Admission(
                    requestId, slot, promptIds, outputIds, sampling, computed, wanted, generates,
                    withoutKv, grammar, reason);
        }
    }

    /// A copy of the first `tokens` tokens of a block.
    record Copy(int kvGroup, int from, int to, int tokens) {}

    /// The tokens `[computed, computed + count)` of a slot.
    ///
    /// @param newBlocks blocks to append to the slot's table, for each KV group
    /// @param names names of the slot's next full blocks without one
    /// @param ids the slot's last sampled id and those that a constraint forced after it, from
    ///   position `computed` on; none unless some were forced, or where the row was sent ahead
    record Row(
            int slot,
            int computed,
            int count,
            List<int[]> newBlocks,
            List<BlockHash> names,
            int[] ids) {
        private static final int[] NO_IDS = {};

        Row {
            newBlocks = List.copyOf(newBlocks);
            names = List.copyOf(names);
        }

        /// Creates a row without forced ids.
        Row(int slot, int computed, int count, List<int[]> newBlocks, List<BlockHash> names) {
            this(slot, computed, count, newBlocks, names, NO_IDS);
        }

        int end() {
            return computed + count;
        }

        /// Returns a part of this row, which brings no ids. The part at its beginning has its new
        /// blocks.
        Row part(int from, int to) {
            return new Row(
                    slot,
                    from,
                    to - from,
                    from == computed ? newBlocks : Collections.nCopies(newBlocks.size(), NO_IDS),
                    List.of());
        }

        /// Returns the ids that were not sampled.
        int[] forced() {
            return ids.length == 0 ? NO_IDS : Arrays.copyOfRange(ids, 1, ids.length);
        }
    }
}
