// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Owned;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.Sampler;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ForwardBatch;
import dev.lockstep.worker.StepInputs.Array;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// Turns the rows of a step into index arrays and new entries of the block tables. They are filled
/// on the host and copied to the device in one piece.
///
/// Not thread-safe; belongs to the step thread. The session that creates it closes it.
final class BatchBuilder implements AutoCloseable {
    private static final RowArrays KEPT = new RowArrays(Array.STARTS, Array.COMPUTED, Array.LINES);
    private static final RowArrays WITHOUT_KV =
            new RowArrays(
                    Array.STARTS_WITHOUT_KV, Array.COMPUTED_WITHOUT_KV, Array.LINES_WITHOUT_KV);

    private final int kvGroups;
    private final int blockSize;
    private final int promptSpan;
    private final Owned owned = new Owned();
    private final StepInputs inputs;
    private final BlockTables tables;
    private int entries;

    /// The arrays of the rows that share a table.
    private record RowArrays(Array starts, Array computed, Array lines) {}

    /// The batch of a step and the slots that its logit rows belong to.
    ///
    /// @param rows the rows in the order of their tokens
    /// @param logitSlots `[1, n]` I32 on the device
    /// @param samplingSlots the same slots on the host, without those of padding rows
    /// @param scored the positions whose next prompt token's log-probability is requested
    record Batch(
            ForwardBatch forward,
            List<Placed> rows,
            Tensor logitSlots,
            int[] samplingSlots,
            Scored scored) {}

    /// A row and its place in the step. Of one that ends behind the spans of its prompt, the
    /// expanded part and the rest are two.
    ///
    /// @param expanded whether its positions are expanded
    /// @param start index of its first token in the step
    /// @param firstWanted the first position of the row whose outputs are requested; the end of the
    ///   row if there is none
    /// @param scored number of positions from `firstWanted` on whose next prompt token's
    ///   log-probability is requested
    record Placed(Step.Row row, boolean expanded, int start, int firstWanted, int scored) {}

    /// The positions to score.
    ///
    /// @param rows `[1, k]` I32 on the device: indices of tokens of the step
    /// @param targets `[1, k]` I32 on the device: the id that follows each of them
    /// @param slots the slot of each
    record Scored(Tensor rows, Tensor targets, int[] slots) {}

    BatchBuilder(Kernels kernels, int kvGroups, SessionLimits limits) {
        this.kvGroups = kvGroups;
        this.blockSize = limits.blockSize();
        this.promptSpan = limits.promptSpan();
        // A row has a start, and the last one an end; one that decodes begins at most a block of
        // each KV group.
        int sequences = limits.maxSequences();
        this.inputs =
                owned.add(
                        new StepInputs(
                                kernels,
                                Math.max(sequences + 1, kvGroups * sequences),
                                Math.max(limits.maxTokens(), sequences) + 1),
                        StepInputs::close);
        try {
            this.tables = owned.add(new BlockTables(kernels, kvGroups, limits), BlockTables::close);
        } catch (RuntimeException failure) {
            throw owned.closedAfter(failure);
        }
    }

    BlockTables tables() {
        return tables;
    }

    Batch build(List<Step.Row> step, SlotTable slots) {
        return build(step, slots, 0);
    }

    /// Builds a decode step that is filled up to `size` rows: padding rows have a token each, and
    /// store, read and sample nothing.
    ///
    /// @param step rows of one token each, all of which keep their keys and values and sample; none
    ///   is a step of padding alone
    Batch decode(List<Step.Row> step, SlotTable slots, int size) {
        return build(step, slots, size - step.size());
    }

    private Batch build(List<Step.Row> step, SlotTable slots, int padding) {
        List<Placed> rows = place(step, slots);
        int tokens = padding;
        int kept = padding;
        int added = 0;
        for (Placed placed : rows) {
            Slot slot = slots.at(placed.row().slot());
            tokens += placed.row().count();
            kept += slot.withoutKv() ? 0 : 1;
            added += newBlocks(placed.row(), slot);
        }
        int columns = Math.max(Math.max(tokens, rows.size() + padding + 1), added);
        inputs.begin(Math.min(columns, inputs.maxColumns()));
        addEntries(rows, slots);
        int[] samplingSlots = fillTokens(rows, slots);
        boolean typed = fillTypes(rows, slots);
        int sampled = samplingSlots.length + padding;
        Scored scored = score(rows, slots);
        List<PagedBatch> paged = new ArrayList<>(kvGroups);
        int keptRows = kept - padding;
        List<Placed> keeping = rows.subList(0, keptRows);
        int keptTokens = fillRows(keeping, KEPT) + padding;
        pad(keptRows, padding);
        for (int group = 0; group < kvGroups; group++) {
            paged.add(page(kept, keptTokens, KEPT, tables.ofGroup(group), keeping));
        }
        Optional<PagedBatch> withoutKv = Optional.empty();
        if (keptRows < rows.size()) {
            List<Placed> others = rows.subList(keptRows, rows.size());
            int tokensOfOthers = fillRows(others, WITHOUT_KV);
            withoutKv =
                    Optional.of(
                            page(
                                    others.size(),
                                    tokensOfOthers,
                                    WITHOUT_KV,
                                    tables.withoutKv(),
                                    others));
        }
        inputs.copy();
        writeEntries();
        var forward =
                new ForwardBatch(
                        tokens,
                        inputs.array(Array.IDS, tokens),
                        inputs.array(Array.POSITIONS, tokens),
                        typed
                                ? Optional.of(inputs.array(Array.TOKEN_TYPES, tokens))
                                : Optional.empty(),
                        paged,
                        withoutKv,
                        inputs.array(Array.LOGIT_ROWS, sampled));
        return new Batch(
                forward, rows, inputs.array(Array.LOGIT_SLOTS, sampled), samplingSlots, scored);
    }

    /// Places rows with KV first, then rows without; of both the expanded ones first, and each kind
    /// in the order of the step.
    private List<Placed> place(List<Step.Row> step, SlotTable slots) {
        List<Placed> placed = new ArrayList<>(step.size());
        place(step, slots, false, placed);
        place(step, slots, true, placed);
        return placed;
    }

    private void place(
            List<Step.Row> step, SlotTable slots, boolean withoutKv, List<Placed> placed) {
        for (boolean expanded : new boolean[] {true, false}) {
            for (Step.Row row : step) {
                Slot slot = slots.at(row.slot());
                int cut = Math.clamp(slot.expandedEnd(promptSpan), row.computed(), row.end());
                int from = expanded ? row.computed() : cut;
                int to = expanded ? cut : row.end();
                if (slot.withoutKv() == withoutKv && from < to) {
                    boolean whole = to - from == row.count();
                    placed.add(
                            placed(
                                    whole ? row : row.part(from, to),
                                    expanded,
                                    slot,
                                    placed.isEmpty() ? 0 : end(placed.getLast())));
                }
            }
        }
    }

    /// Returns the end of a row in the step.
    private static int end(Placed placed) {
        return placed.start() + placed.row().count();
    }

    private static Placed placed(Step.Row row, boolean expanded, Slot slot, int start) {
        int end = row.end();
        int first = Math.clamp(slot.outputs().from(), row.computed(), end);
        // Tokens after the prompt are sampled, not scored.
        int scored = slot.outputs().logprobs() ? Math.min(end, slot.promptLength() - 1) - first : 0;
        return new Placed(row, expanded, start, first, Math.max(0, scored));
    }

    private int newBlocks(Step.Row row, Slot slot) {
        if (slot.withoutKv()) {
            return Math.ceilDiv(row.count(), blockSize);
        }
        int added = 0;
        for (int[] blocks : row.newBlocks()) {
            added += blocks.length;
        }
        return added;
    }

    /// Adds an entry for each new block. Rows without KV use the blocks of
    /// [dev.lockstep.model.ActivationBuffers#stepKv], numbered from 1 on.
    private void addEntries(List<Placed> rows, SlotTable slots) {
        entries = 0;
        int next = 1;
        for (Placed placed : rows) {
            Step.Row row = placed.row();
            Slot slot = slots.at(row.slot());
            if (slot.withoutKv()) {
                int first = row.computed() / blockSize;
                for (int i = 0; i < newBlocks(row, slot); i++) {
                    addEntry(tables.entryWithoutKv(row.slot(), first + i), next++);
                }
                continue;
            }
            for (int group = 0; group < kvGroups; group++) {
                int[] added = row.newBlocks().get(group);
                int first = slot.blockCount(group) - added.length;
                for (int i = 0; i < added.length; i++) {
                    addEntry(tables.entry(group, row.slot(), first + i), added[i]);
                }
            }
        }
        // The rest of the array has no entries.
        for (int i = entries; i < inputs.columns(); i++) {
            inputs.put(Array.ENTRIES, i, -1);
        }
    }

    /// Adds an entry. Where sequences are admitted with long cached prefixes, a step has more than
    /// its array holds: then those before are written first.
    private void addEntry(int index, int block) {
        if (entries == inputs.columns()) {
            inputs.copyPair(Array.ENTRIES);
            writeEntries();
            entries = 0;
        }
        inputs.put(Array.ENTRIES, entries, index);
        inputs.put(Array.BLOCKS, entries, block);
        entries++;
    }

    /// Writes the entries of the array to the tables: whatever their number, it is one op.
    private void writeEntries() {
        tables.write(
                inputs.array(Array.ENTRIES, inputs.columns()),
                inputs.array(Array.BLOCKS, inputs.columns()));
    }

    /// Fills ids, positions and logit rows; returns the slots of the logit rows.
    private int[] fillTokens(List<Placed> rows, SlotTable slots) {
        int[] samplingSlots = new int[rows.size()];
        int sampled = 0;
        for (Placed placed : rows) {
            Step.Row row = placed.row();
            Slot slot = slots.at(row.slot());
            for (int i = 0; i < row.count(); i++) {
                inputs.put(
                        Array.IDS, placed.start() + i, slot.idAt(row.computed() + i, row.slot()));
                inputs.put(Array.POSITIONS, placed.start() + i, row.computed() + i);
            }
            if (slot.samplesAt(row.computed() + row.count())) {
                inputs.put(Array.LOGIT_ROWS, sampled, placed.start() + row.count() - 1);
                inputs.put(Array.LOGIT_SLOTS, sampled, row.slot());
                samplingSlots[sampled++] = row.slot();
            }
        }
        return Arrays.copyOf(samplingSlots, sampled);
    }

    /// Fills the token types if a row has others than the first one; returns whether one has.
    private boolean fillTypes(List<Placed> rows, SlotTable slots) {
        if (rows.stream().allMatch(each -> outputs(each, slots).secondText() == 0)) {
            return false;
        }
        for (Placed placed : rows) {
            OutputSettings outputs = outputs(placed, slots);
            for (int i = 0; i < placed.row().count(); i++) {
                inputs.put(
                        Array.TOKEN_TYPES,
                        placed.start() + i,
                        outputs.tokenType(placed.row().computed() + i));
            }
        }
        return true;
    }

    private static OutputSettings outputs(Placed placed, SlotTable slots) {
        return slots.at(placed.row().slot()).outputs();
    }

    private Scored score(List<Placed> rows, SlotTable slots) {
        int count = 0;
        for (Placed placed : rows) {
            count += placed.scored();
        }
        int[] owners = new int[count];
        int next = 0;
        for (Placed placed : rows) {
            int slot = placed.row().slot();
            for (int i = 0; i < placed.scored(); i++) {
                int position = placed.firstWanted() + i;
                int token = placed.start() + position - placed.row().computed();
                inputs.put(Array.SCORED_ROWS, next, token);
                inputs.put(Array.SCORED_TARGETS, next, slots.at(slot).idAt(position + 1, slot));
                owners[next++] = slot;
            }
        }
        return new Scored(
                inputs.array(Array.SCORED_ROWS, count),
                inputs.array(Array.SCORED_TARGETS, count),
                owners);
    }

    /// Fills the arrays of rows that share a table; returns their tokens.
    private int fillRows(List<Placed> rows, RowArrays arrays) {
        int tokens = 0;
        for (int r = 0; r < rows.size(); r++) {
            Step.Row row = rows.get(r).row();
            inputs.put(arrays.starts(), r, tokens);
            inputs.put(arrays.computed(), r, row.computed());
            inputs.put(arrays.lines(), r, row.slot());
            tokens += row.count();
        }
        inputs.put(arrays.starts(), rows.size(), tokens);
        return tokens;
    }

    /// Fills the arrays of the padding rows after `rows` rows of one token each.
    private void pad(int rows, int padding) {
        for (int r = rows; r < rows + padding; r++) {
            inputs.put(Array.IDS, r, 0);
            inputs.put(Array.POSITIONS, r, 0);
            inputs.put(Array.STARTS, r + 1, r + 1);
            inputs.put(Array.COMPUTED, r, 0);
            inputs.put(Array.LINES, r, PagedBatch.PADDING);
            inputs.put(Array.LOGIT_ROWS, r, r);
            inputs.put(Array.LOGIT_SLOTS, r, Sampler.PADDING);
        }
    }

    /// @param placed the rows without padding, the expanded ones first
    private PagedBatch page(
            int rows, int tokens, RowArrays arrays, Tensor table, List<Placed> placed) {
        int expandedRows = 0;
        int expandedTokens = 0;
        while (expandedRows < placed.size() && placed.get(expandedRows).expanded()) {
            expandedTokens += placed.get(expandedRows++).row().count();
        }
        return new PagedBatch(
                rows,
                tokens,
                inputs.array(arrays.starts(), rows + 1),
                inputs.array(arrays.computed(), rows),
                inputs.array(arrays.lines(), rows),
                table,
                expandedRows,
                expandedTokens);
    }

    @Override
    public void close() {
        owned.close();
    }
}
