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
    /// one ended.
    void advance(Step.Row row, int blockSize, int slot) {
        if (row.computed() != computed || row.count() < 1) {
            throw new IllegalArgumentException(
                    "slot %d: row of %d tokens at %d, the slot stands at %d"
                            .formatted(slot, row.count(), row.computed(), computed));
        }
        for (int group = 0; group < blocks.length; group++) {
            append(group, row.newBlocks().get(group));
            if ((long) blockCounts[group] * blockSize < (long) computed + row.count()) {
                throw new IllegalArgumentException(
                        "slot %d: %d blocks in KV group %d do not hold %d tokens"
                                .formatted(
                                        slot, blockCounts[group], group, computed + row.count()));
            }
        }
        computed += row.count();
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
