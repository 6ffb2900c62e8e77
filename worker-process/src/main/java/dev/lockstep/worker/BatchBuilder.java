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

/// Turns the rows of a step into index arrays: filled on the host, copied to the device in one
/// piece.
///
/// Not thread-safe: belongs to the step thread. Closed by the session that made it.
final class BatchBuilder implements AutoCloseable {
    private final Kernels kernels;
    private final int kvGroups;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment host;
    private final DeviceBuffer device;
    private int cursor;

    /// The batch of a step and the slots its logit rows belong to.
    ///
    /// @param logitSlots `[1, n]` I32 on the device
    record Batch(ForwardBatch forward, Tensor logitSlots, int[] samplingSlots) {}

    BatchBuilder(Kernels kernels, int kvGroups, int maxTokens, int maxRows, int maxBlocksPerRow) {
        this.kernels = kernels;
        this.kvGroups = kvGroups;
        long integers =
                2L * maxTokens
                        + 2L * maxRows
                        + (2L * maxRows + 1 + (long) maxRows * maxBlocksPerRow) * kvGroups;
        this.host = arena.allocate(integers * Integer.BYTES, 64);
        this.device = kernels.allocate(integers * Integer.BYTES);
    }

    Batch build(List<Step.Row> rows, Slots slots) {
        cursor = 0;
        int tokens = rows.stream().mapToInt(Step.Row::count).sum();
        int ids = take(tokens);
        int positions = take(tokens);
        List<Integer> logitRows = new ArrayList<>();
        List<Integer> logitSlots = new ArrayList<>();
        int token = 0;
        for (Step.Row row : rows) {
            Slot slot = slots.at(row.slot());
            for (int i = 0; i < row.count(); i++, token++) {
                put(ids + token, slot.idAt(row.computed() + i, row.slot()));
                put(positions + token, row.computed() + i);
            }
            if (slot.samplesAt(row.computed() + row.count())) {
                logitRows.add(token - 1);
                logitSlots.add(row.slot());
            }
        }
        int sampled = logitRows.size();
        int logitIndex = take(sampled);
        int slotIndex = take(sampled);
        for (int i = 0; i < sampled; i++) {
            put(logitIndex + i, logitRows.get(i));
            put(slotIndex + i, logitSlots.get(i));
        }
        List<PagedBatch> paged = new ArrayList<>();
        for (int group = 0; group < kvGroups; group++) {
            paged.add(page(rows, slots, group, tokens));
        }
        kernels.copyToDevice(
                host.asSlice(0, (long) cursor * Integer.BYTES),
                device.tensor(0, DType.I32, 1, cursor));
        ForwardBatch forward =
                new ForwardBatch(
                        tokens,
                        vector(ids, tokens),
                        vector(positions, tokens),
                        paged,
                        vector(logitIndex, sampled));
        return new Batch(
                forward,
                vector(slotIndex, sampled),
                logitSlots.stream().mapToInt(Integer::intValue).toArray());
    }

    private PagedBatch page(List<Step.Row> rows, Slots slots, int group, int tokens) {
        int width = 1;
        for (Step.Row row : rows) {
            width = Math.max(width, slots.at(row.slot()).blockCount(group));
        }
        int starts = take(rows.size() + 1);
        int computed = take(rows.size());
        int table = take(rows.size() * width);
        int token = 0;
        for (int r = 0; r < rows.size(); r++) {
            Step.Row row = rows.get(r);
            Slot slot = slots.at(row.slot());
            put(starts + r, token);
            put(computed + r, row.computed());
            int count = slot.blockCount(group);
            for (int b = 0; b < width; b++) {
                put(table + r * width + b, b < count ? slot.blocks(group)[b] : 0);
            }
            token += row.count();
        }
        put(starts + rows.size(), token);
        return new PagedBatch(
                rows.size(),
                tokens,
                vector(starts, rows.size() + 1),
                vector(computed, rows.size()),
                device.tensor((long) table * Integer.BYTES, DType.I32, rows.size(), width));
    }

    private int take(int integers) {
        int start = cursor;
        cursor += integers;
        return start;
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
