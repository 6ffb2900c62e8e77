package dev.lockstep.worker;

import dev.lockstep.kernels.SamplingSettings;
import java.util.Arrays;

/// A running sequence's row of worker state: the ids it was admitted with and its block tables.
final class Slot {
    private final int[] ids;
    private final Step.Admission admission;
    private final int[][] blocks;
    private final int[] blockCounts;
    private int computed;
    private int named;
    // The sum of the hidden states so far, where their mean is asked for.
    private double[] sum = {};

    Slot(Step.Admission admission, int kvGroups) {
        if (admission.promptIds().length + admission.outputIds().length == 0) {
            throw new IllegalArgumentException(
                    "slot %d: an admission with no ids".formatted(admission.slot()));
        }
        this.ids =
                Arrays.copyOf(
                        admission.promptIds(),
                        admission.promptIds().length + admission.outputIds().length);
        System.arraycopy(
                admission.outputIds(),
                0,
                ids,
                admission.promptIds().length,
                admission.outputIds().length);
        this.admission = admission;
        this.blocks = new int[kvGroups][8];
        this.blockCounts = new int[kvGroups];
        this.computed = admission.computed();
        if (computed < 0 || computed >= ids.length) {
            throw new IllegalArgumentException(
                    "slot %d: %d of %d ids are computed, the last one never is"
                            .formatted(admission.slot(), computed, ids.length));
        }
    }

    SamplingSettings settings() {
        return admission.settings();
    }

    PromptOutputs outputs() {
        return admission.outputs();
    }

    /// Whether its one row keeps no keys and values.
    boolean withoutKv() {
        return admission.withoutKv();
    }

    int promptLength() {
        return admission.promptIds().length;
    }

    /// Adds one position's hidden state to the sum of those before.
    void addHiddenState(float[] values, int offset, int size) {
        if (sum.length == 0) {
            sum = new double[size];
        }
        for (int i = 0; i < size; i++) {
            sum[i] += values[offset + i];
        }
    }

    /// The mean of the prompt's hidden states.
    float[] meanHiddenState() {
        float[] mean = new float[sum.length];
        for (int i = 0; i < mean.length; i++) {
            mean[i] = (float) (sum[i] / promptLength());
        }
        return mean;
    }

    /// Takes a row's new blocks and moves on; refuses a row that does not continue where the last
    /// one ended, or that goes beyond the ids, blocks and positions there are.
    void advance(Step.Row row, SessionLimits limits) {
        long end = (long) computed + row.count();
        int known = Math.max(1, ids.length - computed);
        if (row.computed() != computed || row.count() < 1) {
            throw refusal(row, "the slot stands at %d".formatted(computed));
        }
        if (end > limits.maxPositions()) {
            throw refusal(row, "a sequence has at most %d".formatted(limits.maxPositions()));
        }
        if (withoutKv()) {
            takeWhole(row);
            return;
        }
        if (row.newBlocks().size() != blocks.length) {
            throw refusal(
                    row,
                    "blocks for %d KV groups of %d"
                            .formatted(row.newBlocks().size(), blocks.length));
        }
        for (int group = 0; group < blocks.length; group++) {
            append(group, row.newBlocks().get(group));
            if ((long) blockCounts[group] * limits.blockSize() < end) {
                throw refusal(
                        row,
                        "%d blocks in KV group %d do not hold %d tokens"
                                .formatted(blockCounts[group], group, end));
            }
        }
        // Beyond the ids there is the last sampled one, and only a step later the next.
        if (row.count() > known) {
            throw refusal(row, "%d are known".formatted(known));
        }
        computed = (int) end;
    }

    private void takeWhole(Step.Row row) {
        if (row.computed() != 0 || row.count() != ids.length) {
            throw refusal(row, "without KV all %d are one row".formatted(ids.length));
        }
        computed = ids.length;
    }

    private static IllegalArgumentException refusal(Step.Row row, String why) {
        return new IllegalArgumentException(
                "slot %d: row of %d tokens at %d, %s"
                        .formatted(row.slot(), row.count(), row.computed(), why));
    }

    /// The id at a position, or `-1 - slot` when it is the slot's last sampled one, which only the
    /// device knows.
    int idAt(int position, int slot) {
        return position < ids.length ? ids[position] : -1 - slot;
    }

    /// Whether a row that ends before `end` reaches the end of what is known, so that a token is
    /// due.
    boolean samplesAt(int end) {
        return admission.generates() && end >= ids.length;
    }

    /// Full blocks that have names, or had them when the slot was taken.
    int named() {
        return named;
    }

    void named(int blocks) {
        named = blocks;
    }

    int blockCount(int group) {
        return blockCounts[group];
    }

    int[] blocks(int group) {
        return blocks[group];
    }

    private void append(int group, int[] added) {
        int count = blockCounts[group] + added.length;
        if (count > blocks[group].length) {
            blocks[group] = Arrays.copyOf(blocks[group], Math.max(count, 2 * blocks[group].length));
        }
        System.arraycopy(added, 0, blocks[group], blockCounts[group], added.length);
        blockCounts[group] = count;
    }
}
