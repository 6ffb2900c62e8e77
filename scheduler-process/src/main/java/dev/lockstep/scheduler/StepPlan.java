// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static java.util.Objects.requireNonNull;

import dev.lockstep.cluster.BlockHash;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One step, as every rank runs it: released slots first, then admissions, copies and rows.
///
/// Resource managers receive it before it is sent, with its rows and admissions, and add blocks,
/// names, copies and released slots; after that it does not change. It is reused when its step has
/// completed: copy what is needed for longer.
public final class StepPlan {
    private static final int[] NO_SLOTS = {};
    private static final int[] NO_IDS = {};
    private static final int[][] NO_BLOCKS = {};

    private long epoch;
    private long number;
    private long plannedNanos;
    private int tokenCount;
    private int prefillCount;
    private final List<Admission> admitted = new ArrayList<>(0);
    private final List<Row> rows = new ArrayList<>();
    private final List<BlockCopy> copies = new ArrayList<>(0);
    private int[] releasedSlots = NO_SLOTS;

    /// All rows ever created, the first of them in use.
    private final List<Row> made = new ArrayList<>();

    /// Gives a sequence a slot; the only message that carries ids.
    ///
    /// @param outputIds generated before a preemption
    /// @param computed positions found in the cache
    /// @param withoutKv whether all of it runs in this step's row and stores nothing
    public record Admission(
            int slot, Sequence sequence, int[] outputIds, int computed, boolean withoutKv) {}

    /// The first `tokens` positions of a block, copied before the rows of the step.
    public record BlockCopy(int kvGroup, int from, int to, int tokens) {}

    /// Positions `[computed, computed + count)` of a sequence.
    public static final class Row {
        private @Nullable Sequence sequence;
        private int slot;
        private int computed;
        private int count;
        private boolean samples;
        private boolean prefill;
        private int[][] newBlocks = NO_BLOCKS;
        private List<BlockHash> fullBlocks = List.of();
        private int[] ids = NO_IDS;

        public Sequence sequence() {
            return requireNonNull(sequence, "a row of a plan that has completed");
        }

        public int slot() {
            return slot;
        }

        /// Positions computed before this row.
        public int computed() {
            return computed;
        }

        /// Tokens of this row.
        public int count() {
            return count;
        }

        /// Whether it samples a token.
        public boolean samples() {
            return samples;
        }

        public boolean prefill() {
            return prefill;
        }

        /// Whether its sequence ends with it, without a token.
        boolean ends() {
            return !sequence().generates() && computed + count == sequence().promptLength();
        }

        /// Sets the blocks to append to the slot's tables, per KV group, and the names of the
        /// slot's next full blocks that have no name yet.
        public void extend(int[][] blocks, List<BlockHash> names) {
            newBlocks = blocks;
            fullBlocks = names;
        }

        public int[][] newBlocks() {
            return newBlocks;
        }

        public List<BlockHash> fullBlocks() {
            return fullBlocks;
        }

        /// Ids of the slot from position `computed` on that no rank knows: the last sampled one and
        /// those that a constraint forced after it.
        public int[] ids() {
            return ids;
        }

        public void tell(int[] unknown) {
            ids = unknown;
        }
    }

    /// Starts a new plan and clears the old one.
    public void begin(long ofEpoch, long as, long nanos) {
        epoch = ofEpoch;
        number = as;
        plannedNanos = nanos;
        tokenCount = 0;
        prefillCount = 0;
        admitted.clear();
        copies.clear();
        releasedSlots = NO_SLOTS;
        for (Row row : rows) {
            // An unused row must not keep a sequence in memory.
            row.sequence = null;
        }
        rows.clear();
    }

    void admit(Sequence sequence) {
        admit(
                new Admission(
                        sequence.slot(),
                        sequence,
                        sequence.copyOfOutputs(),
                        sequence.computed(),
                        sequence.withoutKv()));
    }

    public void admit(Admission admission) {
        admitted.add(admission);
    }

    /// Adds a row of the next `count` positions of a running sequence.
    void add(Sequence sequence, int count) {
        int computed = sequence.computed();
        boolean prefill = sequence.prefilling();
        boolean samples = sequence.send(count);
        int[] ids = sequence.idsToTell();
        add(sequence, sequence.slot(), computed, count, samples, prefill).tell(ids);
    }

    /// Adds a row without new blocks and names.
    public Row add(
            Sequence sequence,
            int slot,
            int computed,
            int count,
            boolean samples,
            boolean prefill) {
        if (rows.size() == made.size()) {
            made.add(new Row());
        }
        Row row = made.get(rows.size());
        row.sequence = sequence;
        row.slot = slot;
        row.computed = computed;
        row.count = count;
        row.samples = samples;
        row.prefill = prefill;
        row.extend(NO_BLOCKS, List.of());
        row.tell(NO_IDS);
        rows.add(row);
        tokenCount += count;
        prefillCount += prefill ? count : 0;
        return row;
    }

    public long epoch() {
        return epoch;
    }

    public long number() {
        return number;
    }

    long plannedNanos() {
        return plannedNanos;
    }

    public List<Admission> admitted() {
        return admitted;
    }

    public List<Row> rows() {
        return rows;
    }

    public List<BlockCopy> copies() {
        return copies;
    }

    public int[] releasedSlots() {
        return releasedSlots;
    }

    public void release(int[] slots) {
        releasedSlots = slots;
    }

    /// Whether there is nothing to run; such a plan is not sent.
    public boolean isEmpty() {
        return rows.isEmpty() && admitted.isEmpty();
    }

    public int tokenCount() {
        return tokenCount;
    }

    /// Tokens of prefill rows.
    int prefillCount() {
        return prefillCount;
    }

    /// Whether there are prefill rows and decode rows.
    boolean mixed() {
        return prefillCount > 0 && prefillCount < tokenCount;
    }
}
