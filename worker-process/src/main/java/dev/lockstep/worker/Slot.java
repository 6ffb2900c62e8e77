package dev.lockstep.worker;

import dev.lockstep.kernels.SamplingSettings;
import java.util.Arrays;

/// A running sequence's row of worker state: the ids it was admitted with and its block tables.
final class Slot {
    private final int[] ids;
    private final SamplingSettings settings;
    private final int[][] blocks;
    private final int[] blockCounts;
    private int computed;

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
        this.settings = admission.settings();
        this.blocks = new int[kvGroups][8];
        this.blockCounts = new int[kvGroups];
    }

    SamplingSettings settings() {
        return settings;
    }

    /// Takes a row's new blocks and moves on; refuses a row that does not continue where the last
    /// one ended, or that goes beyond the ids, blocks and positions there are.
    void advance(Step.Row row, SessionLimits limits) {
        require(
                row.computed() == computed && row.count() >= 1,
                row,
                "the slot stands at %d",
                computed);
        long end = (long) computed + row.count();
        require(
                end <= limits.maxPositions(),
                row,
                "a sequence has at most %d",
                limits.maxPositions());
        require(
                row.newBlocks().size() == blocks.length,
                row,
                "blocks for %d KV groups of %d",
                row.newBlocks().size(),
                blocks.length);
        for (int group = 0; group < blocks.length; group++) {
            append(group, row.newBlocks().get(group));
            require(
                    (long) blockCounts[group] * limits.blockSize() >= end,
                    row,
                    "%d blocks in KV group %d do not hold %d tokens",
                    blockCounts[group],
                    group,
                    end);
        }
        // Beyond the ids there is the last sampled one, and only a step later the next.
        require(
                row.count() <= Math.max(1, ids.length - computed),
                row,
                "%d are known",
                Math.max(1, ids.length - computed));
        computed = (int) end;
    }

    private static void require(boolean holds, Step.Row row, String why, Object... numbers) {
        if (!holds) {
            throw new IllegalArgumentException(
                    "slot %d: row of %d tokens at %d, %s"
                            .formatted(
                                    row.slot(),
                                    row.count(),
                                    row.computed(),
                                    why.formatted(numbers)));
        }
    }

    /// The id at a position, or `-1 - slot` when it is the slot's last sampled one, which only the
    /// device knows.
    int idAt(int position, int slot) {
        return position < ids.length ? ids[position] : -1 - slot;
    }

    /// Whether a row that ends before `end` reaches the end of what is known, so that a token is
    /// due.
    boolean samplesAt(int end) {
        return end >= ids.length;
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
