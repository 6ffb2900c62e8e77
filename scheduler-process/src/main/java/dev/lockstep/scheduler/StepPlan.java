package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import java.util.ArrayList;
import java.util.List;

/// One step, as every rank is told: released slots first, then admissions, copies and rows.
///
/// Resource managers see it before it is sent, with its rows and admissions, and add what the
/// workers must know; after that nobody changes it.
public final class StepPlan {
    private static final int[] NO_SLOTS = {};

    private final long epoch;
    private final long number;
    private final long plannedNanos;
    private final List<Admission> admitted;
    private final List<Row> rows;
    private final List<BlockCopy> copies = new ArrayList<>(0);
    private int[] releasedSlots = NO_SLOTS;

    /// Takes a slot; the only place ids travel. `outputIds` were generated before, on resume, and
    /// `computed` positions were found in the cache. One without KV is all in this step's row.
    record Admission(
            int slot, Sequence sequence, int[] outputIds, int computed, boolean withoutKv) {}

    /// The first `tokens` positions of a block, copied before the rows of the step.
    record BlockCopy(int kvGroup, int from, int to, int tokens) {}

    /// Positions `[computed, computed + count)` of a sequence.
    public static final class Row {
        private final Sequence sequence;
        private final int slot;
        private final int computed;
        private final int count;
        private final boolean samples;
        private final boolean prefill;
        private int[][] newBlocks = {};
        private List<BlockHash> fullBlocks = List.of();

        Row(
                Sequence sequence,
                int slot,
                int computed,
                int count,
                boolean samples,
                boolean prefill) {
            this.sequence = sequence;
            this.slot = slot;
            this.computed = computed;
            this.count = count;
            this.samples = samples;
            this.prefill = prefill;
        }

        public Sequence sequence() {
            return sequence;
        }

        int slot() {
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

        /// Whether it brings a token.
        public boolean samples() {
            return samples;
        }

        public boolean prefill() {
            return prefill;
        }

        /// Whether its sequence is done with it, without a token.
        boolean ends() {
            return !sequence.generates() && computed + count == sequence.promptLength();
        }

        /// What is appended to the slot's tables first, per KV group; and the names of the slot's
        /// next full blocks that have no name yet.
        public void tell(int[][] blocks, List<BlockHash> names) {
            newBlocks = blocks;
            fullBlocks = names;
        }

        int[][] newBlocks() {
            return newBlocks;
        }

        List<BlockHash> fullBlocks() {
            return fullBlocks;
        }
    }

    StepPlan(long epoch, long number, long plannedNanos, List<Admission> admitted, List<Row> rows) {
        this.epoch = epoch;
        this.number = number;
        this.plannedNanos = plannedNanos;
        this.admitted = admitted;
        this.rows = rows;
    }

    static StepPlan empty(long epoch, long number, long plannedNanos) {
        return new StepPlan(epoch, number, plannedNanos, List.of(), List.of());
    }

    long epoch() {
        return epoch;
    }

    public long number() {
        return number;
    }

    long plannedNanos() {
        return plannedNanos;
    }

    List<Admission> admitted() {
        return admitted;
    }

    public List<Row> rows() {
        return rows;
    }

    List<BlockCopy> copies() {
        return copies;
    }

    int[] releasedSlots() {
        return releasedSlots;
    }

    void release(int[] slots) {
        releasedSlots = slots;
    }

    /// Nothing to run: not sent.
    boolean isEmpty() {
        return rows.isEmpty() && admitted.isEmpty();
    }

    public int tokenCount() {
        int tokens = 0;
        for (var row : rows) {
            tokens += row.count();
        }
        return tokens;
    }

    /// Of those, the tokens of prompts.
    int prefillCount() {
        int tokens = 0;
        for (var row : rows) {
            tokens += row.prefill() ? row.count() : 0;
        }
        return tokens;
    }

    boolean mixed() {
        boolean prefill = false;
        boolean decode = false;
        for (var row : rows) {
            prefill |= row.prefill();
            decode |= !row.prefill();
        }
        return prefill && decode;
    }
}
