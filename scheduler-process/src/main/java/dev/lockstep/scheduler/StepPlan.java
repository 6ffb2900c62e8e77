package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import java.util.List;

/// One step, as every rank is told: released slots first, then admissions, copies and rows. The
/// arrays in it are written once, by the plan that made them.
record StepPlan(
        long epoch,
        long number,
        long plannedNanos,
        int[] releasedSlots,
        List<Admission> admitted,
        List<BlockCopy> copies,
        List<Row> rows) {

    /// Takes a slot; the only place ids travel. `outputIds` were generated before, on resume.
    record Admission(int slot, Sequence sequence, int[] outputIds) {}

    record BlockCopy(int kvGroup, int from, int to, int tokens) {}

    /// Positions `[computed, computed + count)` of a sequence. `newBlocks[kvGroup]` are appended to
    /// the slot's tables first. `fullBlocks` names the slot's next full blocks that have no name
    /// yet: see [HashChain].
    record Row(
            Sequence sequence,
            int slot,
            int computed,
            int count,
            boolean samples,
            boolean prefill,
            int[][] newBlocks,
            List<BlockHash> fullBlocks) {}

    StepPlan {
        admitted = List.copyOf(admitted);
        copies = List.copyOf(copies);
        rows = List.copyOf(rows);
    }

    private static final int[] NO_SLOTS = {};

    static StepPlan empty(long epoch, long number, long plannedNanos) {
        return new StepPlan(epoch, number, plannedNanos, NO_SLOTS, List.of(), List.of(), List.of());
    }

    /// Nothing to run: not sent.
    boolean isEmpty() {
        return rows.isEmpty();
    }

    int tokenCount() {
        int tokens = 0;
        for (var row : rows) {
            tokens += row.count();
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
