package dev.lockstep.scheduler;

import static java.util.Objects.requireNonNull;

import dev.lockstep.cluster.BlockHash;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One step, as every rank is told: released slots first, then admissions, copies and rows.
///
/// Resource managers see it before it is sent, with its rows and admissions, and add what the
/// workers must know; after that nobody changes it. It is used again once its step has ended: who
/// needs something of it for longer copies that.
public final class StepPlan {
    private static final int[] NO_SLOTS = {};
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

    /// All rows there ever were, the first of them in use.
    private final List<Row> made = new ArrayList<>();

    /// Takes a slot; the only place ids travel. `outputIds` were generated before, on resume, and
    /// `computed` positions were found in the cache. One without KV is all in this step's row.
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

        public Sequence sequence() {
            return requireNonNull(sequence, "a row of a plan that is over");
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

        /// Whether it brings a token.
        public boolean samples() {
            return samples;
        }

        public boolean prefill() {
            return prefill;
        }

        /// Whether its sequence is done with it, without a token.
        boolean ends() {
            return !sequence().generates() && computed + count == sequence().promptLength();
        }

        /// What is appended to the slot's tables first, per KV group; and the names of the slot's
        /// next full blocks that have no name yet.
        public void tell(int[][] blocks, List<BlockHash> names) {
            newBlocks = blocks;
            fullBlocks = names;
        }

        public int[][] newBlocks() {
            return newBlocks;
        }

        public List<BlockHash> fullBlocks() {
            return fullBlocks;
        }
    }

    /// Begins a new plan; what was in it is gone.
    public void begin(long ofEpoch, long as, long nanos) {
        epoch = ofEpoch;
        number = as;
        plannedNanos = nanos;
        tokenCount = 0;
        prefillCount = 0;
        admitted.clear();
        copies.clear();
        releasedSlots = NO_SLOTS;
        for (var row : rows) {
            // A sequence must not stay in memory because it once had a row.
            row.sequence = null;
        }
        rows.clear();
    }

    public void admit(Admission admission) {
        admitted.add(admission);
    }

    /// Adds a row, which has nothing to tell yet.
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
        var row = made.get(rows.size());
        row.sequence = sequence;
        row.slot = slot;
        row.computed = computed;
        row.count = count;
        row.samples = samples;
        row.prefill = prefill;
        row.tell(NO_BLOCKS, List.of());
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

    /// Nothing to run: not sent.
    public boolean isEmpty() {
        return rows.isEmpty() && admitted.isEmpty();
    }

    public int tokenCount() {
        return tokenCount;
    }

    /// Of those, the tokens of prompts.
    int prefillCount() {
        return prefillCount;
    }

    /// Whether some rows are of prompts and some are not.
    boolean mixed() {
        return prefillCount > 0 && prefillCount < tokenCount;
    }
}
