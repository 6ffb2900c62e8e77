// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.PromptSpans;
import dev.lockstep.kernels.SamplingSettings;
import java.util.Arrays;
import java.util.Optional;

/// The state of a running sequence: the ids it was admitted with and its block tables.
final class Slot {
    private int[] ids;
    private final Step.Admission admission;
    private final int[][] blocks;
    private final int[] blockCounts;
    private Optional<Constraint> constraint;
    private int computed;
    private int named;
    private final PromptPool pool;

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
        this.constraint = admission.constraint();
        this.pool = new PromptPool(admission.outputs(), admission.promptIds().length);
        this.blocks = new int[kvGroups][8];
        this.blockCounts = new int[kvGroups];
        this.computed = admission.computed();
        if (computed < 0 || computed >= ids.length) {
            throw new IllegalArgumentException(
                    "slot %d: %d of %d ids are computed, must be 0 to %d"
                            .formatted(admission.slot(), computed, ids.length, ids.length - 1));
        }
    }

    /// The constraint of its text, on the rank that samples.
    Optional<Constraint> constraint() {
        return constraint;
    }

    /// Lets it go on without its constraint until it is released.
    void refuse() {
        constraint = Optional.empty();
    }

    SamplingSettings settings() {
        return admission.settings();
    }

    OutputSettings outputs() {
        return admission.outputs();
    }

    /// Returns whether the sequence is one row that keeps no keys and values.
    boolean withoutKv() {
        return admission.withoutKv();
    }

    int promptLength() {
        return admission.promptIds().length;
    }

    /// Returns the end of the positions that are expanded: those of whole spans of the prompt.
    int expandedEnd(int promptSpan) {
        return PromptSpans.end(promptLength(), promptSpan);
    }

    /// Returns what becomes the vector of the prompt.
    PromptPool pool() {
        return pool;
    }

    /// Appends a row's new blocks and advances to the row's end. Throws if the row does not begin
    /// where the last one ended, or exceeds the known ids, the blocks or the positions.
    void advance(Step.Row row, SessionLimits limits) {
        if (row.ids().length > 0) {
            learn(row);
        }
        long end = (long) computed + row.count();
        int known = Math.max(1, ids.length - computed);
        if (row.computed() != computed || row.count() < 1) {
            throw refusal(row, "the slot is at %d".formatted(computed));
        }
        if (end > limits.maxPositions()) {
            throw refusal(row, "a sequence has at most %d".formatted(limits.maxPositions()));
        }
        if (withoutKv()) {
            advanceWithoutKv(row);
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
        // After the known ids only the last sampled one exists; the next one needs another step.
        if (row.count() > known) {
            throw refusal(row, "%d are known".formatted(known));
        }
        requireNames(row, (int) end / limits.blockSize());
        computed = (int) end;
    }

    /// Learns the last sampled id and those that follow it.
    private void learn(Step.Row row) {
        if (row.computed() != computed || computed < ids.length) {
            throw refusal(
                    row,
                    "it brings %d ids, the slot is at %d of %d known ones"
                            .formatted(row.ids().length, computed, ids.length));
        }
        ids = Arrays.copyOf(ids, computed + row.ids().length);
        System.arraycopy(row.ids(), 0, ids, computed, row.ids().length);
        constraint.ifPresent(Constraint::told);
    }

    private void advanceWithoutKv(Step.Row row) {
        if (row.computed() != 0 || row.count() != ids.length) {
            throw refusal(row, "a row without KV must have all %d".formatted(ids.length));
        }
        requireNames(row, 0);
        computed = ids.length;
    }

    /// @param full number of blocks that are full at the row's end
    private void requireNames(Step.Row row, int full) {
        if (row.names().size() > full - named) {
            throw refusal(
                    row,
                    "%d names for %d full blocks, %d of them named"
                            .formatted(row.names().size(), full, named));
        }
    }

    private static IllegalArgumentException refusal(Step.Row row, String why) {
        return new IllegalArgumentException(
                "slot %d: row of %d tokens at %d, %s"
                        .formatted(row.slot(), row.count(), row.computed(), why));
    }

    /// Returns the id at a position, or `-1 - slot` for the slot's last sampled id, which only the
    /// device has.
    int idAt(int position, int slot) {
        return position < ids.length ? ids[position] : -1 - slot;
    }

    /// Returns whether a row that ends before position `end` covers all known ids, so that it
    /// samples a token.
    boolean samplesAt(int end) {
        return admission.generates() && end >= ids.length;
    }

    /// Returns the number of full blocks that were named, before the admission or by rows since.
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
