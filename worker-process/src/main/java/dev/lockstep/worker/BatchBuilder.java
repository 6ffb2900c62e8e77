// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ForwardBatch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Turns the rows of a step into index arrays. They are filled on the host and copied to the device
/// in one piece.
///
/// Not thread-safe; belongs to the step thread. The session that creates it closes it.
final class BatchBuilder implements AutoCloseable {
    private final Kernels kernels;
    private final int kvGroups;
    private final int blockSize;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment host;
    private final DeviceBuffer device;
    private int cursor;

    /// The batch of a step and the slots that its logit rows belong to.
    ///
    /// @param rows the rows in the order of their tokens
    /// @param logitSlots `[1, n]` I32 on the device
    /// @param samplingSlots the same slots on the host
    /// @param scored the positions whose next prompt token's log-probability is requested
    record Batch(
            ForwardBatch forward,
            List<Placed> rows,
            Tensor logitSlots,
            int[] samplingSlots,
            Scored scored) {}

    /// A row and its place in the step.
    ///
    /// @param start index of its first token in the step
    /// @param firstWanted the first position of the row whose outputs are requested; the end of the
    ///   row if there is none
    /// @param scored number of positions from `firstWanted` on whose next prompt token's
    ///   log-probability is requested
    record Placed(Step.Row row, int start, int firstWanted, int scored) {}

    /// The positions to score.
    ///
    /// @param rows `[1, k]` I32 on the device: indices of tokens of the step
    /// @param targets `[1, k]` I32 on the device: the id that follows each of them
    /// @param slots the slot of each
    record Scored(Tensor rows, Tensor targets, int[] slots) {}

    BatchBuilder(Kernels kernels, int kvGroups, SessionLimits limits) {
        this.kernels = kernels;
        this.kvGroups = kvGroups;
        this.blockSize = limits.blockSize();
        int maxTokens = limits.maxTokens();
        int maxRows = limits.maxSequences();
        int maxBlocksPerRow = Math.ceilDiv(limits.maxPositions(), blockSize);
        // Ids, positions, tokens to score and their targets; one more table for rows without KV.
        long integers =
                4L * maxTokens
                        + 2L * maxRows
                        + (2L * maxRows + 1 + (long) maxRows * maxBlocksPerRow) * (kvGroups + 1);
        this.host = arena.allocate(integers * Integer.BYTES, 64);
        this.device = kernels.allocate(integers * Integer.BYTES);
    }

    Batch build(List<Step.Row> step, SlotTable slots) {
        cursor = 0;
        List<Placed> rows = place(step, slots);
        int tokens = step.stream().mapToInt(Step.Row::count).sum();
        int ids = take(tokens);
        int positions = take(tokens);
        List<Integer> logitRows = new ArrayList<>();
        List<Integer> logitSlots = new ArrayList<>();
        for (Placed placed : rows) {
            Step.Row row = placed.row();
            Slot slot = slots.at(row.slot());
            for (int i = 0; i < row.count(); i++) {
                put(ids + placed.start() + i, slot.idAt(row.computed() + i, row.slot()));
                put(positions + placed.start() + i, row.computed() + i);
            }
            if (slot.samplesAt(row.computed() + row.count())) {
                logitRows.add(placed.start() + row.count() - 1);
                logitSlots.add(row.slot());
            }
        }
        int sampled = logitRows.size();
        int logitIndex = putAll(logitRows);
        int slotIndex = putAll(logitSlots);
        Scored scored = score(rows, slots);
        List<Placed> kept = rows.stream().filter(each -> !withoutKv(each, slots)).toList();
        List<Placed> others = rows.subList(kept.size(), rows.size());
        List<PagedBatch> paged = new ArrayList<>();
        for (int group = 0; group < kvGroups; group++) {
            paged.add(page(kept, new RowBlocks.OfSlots(slots, group)));
        }
        Optional<PagedBatch> withoutKv =
                others.isEmpty()
                        ? Optional.empty()
                        : Optional.of(page(others, new RowBlocks.OfStep(blockSize)));
        kernels.copyToDevice(slice(0, cursor), device.tensor(0, DType.I32, 1, cursor));
        var forward =
                new ForwardBatch(
                        tokens,
                        vector(ids, tokens),
                        vector(positions, tokens),
                        paged,
                        withoutKv,
                        vector(logitIndex, sampled));
        return new Batch(forward, rows, vector(slotIndex, sampled), integers(logitSlots), scored);
    }

    /// Places rows with KV first, then rows without; each kind in the order of the step.
    private static List<Placed> place(List<Step.Row> step, SlotTable slots) {
        List<Placed> placed = new ArrayList<>(step.size());
        int start = 0;
        for (boolean withoutKv : new boolean[] {false, true}) {
            for (Step.Row row : step) {
                Slot slot = slots.at(row.slot());
                if (slot.withoutKv() == withoutKv) {
                    placed.add(placed(row, slot, start));
                    start += row.count();
                }
            }
        }
        return placed;
    }

    private static Placed placed(Step.Row row, Slot slot, int start) {
        int end = row.computed() + row.count();
        int first = Math.clamp(slot.outputs().from(), row.computed(), end);
        // Tokens after the prompt are sampled, not scored.
        int scored = slot.outputs().logprobs() ? Math.min(end, slot.promptLength() - 1) - first : 0;
        return new Placed(row, start, first, Math.max(0, scored));
    }

    private Scored score(List<Placed> rows, SlotTable slots) {
        List<Integer> tokens = new ArrayList<>();
        List<Integer> targets = new ArrayList<>();
        List<Integer> owners = new ArrayList<>();
        for (Placed placed : rows) {
            int slot = placed.row().slot();
            for (int i = 0; i < placed.scored(); i++) {
                int position = placed.firstWanted() + i;
                tokens.add(placed.start() + position - placed.row().computed());
                targets.add(slots.at(slot).idAt(position + 1, slot));
                owners.add(slot);
            }
        }
        int count = tokens.size();
        return new Scored(
                vector(putAll(tokens), count), vector(putAll(targets), count), integers(owners));
    }

    private static boolean withoutKv(Placed placed, SlotTable slots) {
        return slots.at(placed.row().slot()).withoutKv();
    }

    private PagedBatch page(List<Placed> rows, RowBlocks blocks) {
        int width = 1;
        for (Placed placed : rows) {
            width = Math.max(width, blocks.count(placed));
        }
        int starts = take(rows.size() + 1);
        int computed = take(rows.size());
        int table = take(rows.size() * width);
        int tokens = 0;
        for (int r = 0; r < rows.size(); r++) {
            Placed placed = rows.get(r);
            put(starts + r, tokens);
            put(computed + r, placed.row().computed());
            MemorySegment blockRow = slice(table + r * width, width);
            blocks.write(placed, blockRow);
            // The memory still holds block ids of an earlier step.
            blockRow.asSlice((long) blocks.count(placed) * Integer.BYTES).fill((byte) 0);
            tokens += placed.row().count();
        }
        put(starts + rows.size(), tokens);
        return new PagedBatch(
                rows.size(),
                tokens,
                vector(starts, rows.size() + 1),
                vector(computed, rows.size()),
                device.tensor((long) table * Integer.BYTES, DType.I32, rows.size(), width));
    }

    private int putAll(List<Integer> values) {
        int start = take(values.size());
        for (int i = 0; i < values.size(); i++) {
            put(start + i, values.get(i));
        }
        return start;
    }

    private static int[] integers(List<Integer> values) {
        return values.stream().mapToInt(Integer::intValue).toArray();
    }

    private int take(int integers) {
        int start = cursor;
        cursor += integers;
        return start;
    }

    private MemorySegment slice(int start, int count) {
        return host.asSlice((long) start * Integer.BYTES, (long) count * Integer.BYTES);
    }

    private void put(int index, int value) {
        host.setAtIndex(ValueLayout.JAVA_INT, index, value);
    }

    private Tensor vector(int start, int count) {
        return device.tensor((long) start * Integer.BYTES, DType.I32, 1, count);
    }

    @Override
    public void close() {
        device.close();
        arena.close();
    }
}
