// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.FLOAT;
import static dev.lockstep.kernels.cpu.AllMemory.INT;
import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;

import dev.lockstep.kernels.CheckedIndex;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Sampler;
import dev.lockstep.kernels.Samples;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// A sampler on the thread team, each row on one thread. A NaN logit is never chosen; if no logit
/// is above minus infinity, id 0 is chosen.
final class CpuSampler implements Sampler {
    // Passes over the vocabulary times the cost of an element: decides whether the team shares the
    // rows.
    private static final long WORK_PER_LOGIT = 8;

    private final SamplingOps ops;
    private final ThreadTeam team;
    private final Runnable finished;
    private final int vocabulary;
    private final @Nullable SamplingSlot[] slots;
    private final TokenChooser[] choosers;
    private final AtomicInteger nextRow = new AtomicInteger();

    CpuSampler(
            SamplingOps ops,
            ThreadTeam team,
            Runnable finished,
            CpuMemory memory,
            int slots,
            int vocabulary) {
        if (slots < 1 || vocabulary < 1) {
            throw new IllegalArgumentException(
                    "a sampler of %d slots for a vocabulary of %d".formatted(slots, vocabulary));
        }
        this.ops = ops;
        this.team = team;
        this.finished = finished;
        this.vocabulary = vocabulary;
        this.slots = new SamplingSlot[slots];
        choosers = new TokenChooser[team.size()];
        for (int thread = 0; thread < choosers.length; thread++) {
            choosers[thread] = new TokenChooser(ops, memory, vocabulary);
        }
    }

    @Override
    public void admit(int slot, SamplingSettings settings, int[] promptIds, int[] outputIds) {
        requireSlot(slot);
        for (int id : promptIds) {
            requireId("prompt id", id);
        }
        for (int id : outputIds) {
            requireId("output id", id);
        }
        settings.requireVocabulary(vocabulary);
        slots[slot] = new SamplingSlot(settings, promptIds, outputIds);
    }

    @Override
    public void release(int slot) {
        requireSlot(slot);
        slots[slot] = null;
    }

    @Override
    public void allow(int slot, long[] allowed) {
        requireSlot(slot);
        SamplingSettings.requireMask(allowed, vocabulary);
        admitted(slot).allow(allowed);
    }

    @Override
    public void append(int slot, int[] ids) {
        requireSlot(slot);
        for (int id : ids) {
            requireId("appended id", id);
        }
        for (int id : ids) {
            admitted(slot).record(id);
        }
    }

    @Override
    public void resolve(Tensor ids) {
        ids.require("ids", DType.I32, 1, ids.columns());
        long at = ids.pointer().address();
        for (int i = 0; i < ids.columns(); i++) {
            int id = SEGMENT.get(INT, at + i * 4L);
            if (id < 0) {
                CheckedIndex.RESOLVED_SLOT.require(i, -1 - id, slots.length);
                SEGMENT.set(INT, at + i * 4L, admitted(-1 - id).last());
            }
        }
        finished.run();
    }

    @Override
    public void sample(Tensor logits, Tensor slots, Samples out) {
        requireFits(logits, out);
        slots.require("slots", DType.I32, 1, logits.rows());
        for (int row = 0; row < logits.rows(); row++) {
            int slot = element(slots, row);
            CheckedIndex.SAMPLED_SLOT.require(row, slot, this.slots.length);
            if (slot != PADDING) {
                admitted(slot);
            }
        }
        eachRow(
                logits,
                (chooser, row) -> {
                    int slot = element(slots, row);
                    if (slot != PADDING) {
                        sampleRow(chooser, logits, admitted(slot), row, out);
                    }
                });
    }

    @Override
    public void score(Tensor logits, Tensor targets, int top, Samples out) {
        requireFits(logits, out);
        targets.require("targets", DType.I32, 1, logits.rows());
        if (top < 0 || top > SamplingSettings.MAX_TOP_LOGPROBS) {
            throw new IllegalArgumentException(
                    "%d most likely ids, at most %d"
                            .formatted(top, SamplingSettings.MAX_TOP_LOGPROBS));
        }
        for (int row = 0; row < logits.rows(); row++) {
            CheckedIndex.SCORED_TARGET.require(row, element(targets, row), vocabulary);
        }
        eachRow(
                logits,
                (chooser, row) -> {
                    long address = address(logits, row);
                    double normalizer = measure(chooser, address, top, row, out);
                    int id = element(targets, row);
                    writeId(id, row, out);
                    float raw = SEGMENT.get(FLOAT, address + id * 4L);
                    writeLogprob(raw, normalizer, row, out);
                });
    }

    private void requireFits(Tensor logits, Samples out) {
        int rows = logits.rows();
        logits.require("logits", DType.F32, rows, vocabulary);
        out.ids().require("ids", DType.I32, 1, rows);
        out.logprobs().require("logprobs", DType.F32, 1, rows);
        int top = SamplingSettings.MAX_TOP_LOGPROBS;
        out.topIds().require("topIds", DType.I32, rows, top);
        out.topLogprobs().require("topLogprobs", DType.F32, rows, top);
    }

    @FunctionalInterface
    private interface RowTask {
        void run(TokenChooser chooser, int row);
    }

    private void eachRow(Tensor logits, RowTask task) {
        int rows = logits.rows();
        nextRow.setPlain(0);
        team.run(
                (thread, _) -> {
                    int row;
                    while ((row = nextRow.getAndIncrement()) < rows) {
                        task.run(choosers[thread], row);
                    }
                },
                // A single row is computed on one thread, whatever its length.
                rows == 1 ? 0 : logits.elements() * WORK_PER_LOGIT);
        finished.run();
    }

    @Override
    public void record(Tensor slots, Tensor ids) {
        slots.require("slots", DType.I32, 1, ids.columns());
        ids.require("ids", DType.I32, 1, ids.columns());
        for (int i = 0; i < ids.columns(); i++) {
            int slot = element(slots, i);
            CheckedIndex.RECORDED_SLOT.require(i, slot, this.slots.length);
            if (slot != PADDING) {
                int id = element(ids, i);
                CheckedIndex.RECORDED_ID.require(i, id, vocabulary);
                admitted(slot).record(id);
            }
        }
        finished.run();
    }

    @Override
    public void close() {
        for (TokenChooser chooser : choosers) {
            chooser.close();
        }
    }

    private void sampleRow(
            TokenChooser chooser, Tensor logits, SamplingSlot slot, int row, Samples out) {
        SamplingSettings settings = slot.settings();
        long address = address(logits, row);
        double normalizer = 0;
        boolean measured = settings.measures();
        if (measured) {
            normalizer = measure(chooser, address, settings.topLogprobs(), row, out);
            MemorySegment.copy(SEGMENT, address, SEGMENT, chooser.copy(), vocabulary * 4L);
        }
        slot.process(address, vocabulary);
        int id = chooser.choose(address, slot);
        writeId(id, row, out);
        if (measured) {
            float raw = SEGMENT.get(FLOAT, chooser.copy() + id * 4L);
            writeLogprob(raw, normalizer, row, out);
        }
    }

    private static long address(Tensor logits, int row) {
        return logits.pointer().address() + (long) row * logits.stride() * 4;
    }

    /// Writes the most likely ids of a row and returns the logarithm of the denominator of its
    /// softmax.
    private double measure(TokenChooser chooser, long logits, int top, int row, Samples out) {
        float greatest = chooser.clean(logits);
        double normalizer = normalizer(logits, greatest);
        writeTop(chooser, logits, normalizer, top, row, out);
        return normalizer;
    }

    private static void writeId(int id, int row, Samples out) {
        SEGMENT.set(INT, out.ids().pointer().address() + row * 4L, id);
    }

    private static void writeLogprob(float raw, double normalizer, int row, Samples out) {
        long at = out.logprobs().pointer().address() + row * 4L;
        SEGMENT.set(FLOAT, at, (float) (raw - normalizer));
    }

    private double normalizer(long logits, float greatest) {
        return greatest == Float.NEGATIVE_INFINITY
                ? 0
                : greatest + StrictMath.log(ops.exponentialSum(logits, vocabulary, greatest, 1));
    }

    private void writeTop(
            TokenChooser chooser, long logits, double normalizer, int count, int row, Samples out) {
        long[] top = chooser.top(logits, count);
        long ids = out.topIds().pointer().address() + 4L * row * out.topIds().stride();
        long values = out.topLogprobs().pointer().address() + 4L * row * out.topLogprobs().stride();
        for (int i = 0; i < count; i++) {
            boolean exists = i < top.length;
            int id = exists ? TokenChooser.id(top[i]) : -1;
            float value =
                    exists
                            ? (float) (SEGMENT.get(FLOAT, logits + id * 4L) - normalizer)
                            : Float.NEGATIVE_INFINITY;
            SEGMENT.set(INT, ids + i * 4L, id);
            SEGMENT.set(FLOAT, values + i * 4L, value);
        }
    }

    private SamplingSlot admitted(int slot) {
        SamplingSlot admitted = slots[slot];
        if (admitted == null) {
            throw new IllegalStateException("slot %d was not admitted".formatted(slot));
        }
        return admitted;
    }

    private void requireSlot(int slot) {
        if (slot < 0 || slot >= slots.length) {
            throw new IllegalArgumentException("slot %d of %d".formatted(slot, slots.length));
        }
    }

    private void requireId(String what, int id) {
        if (id < 0 || id >= vocabulary) {
            throw new IllegalArgumentException(
                    "%s %d of a vocabulary of %d".formatted(what, id, vocabulary));
        }
    }

    private static int element(Tensor vector, int i) {
        return SEGMENT.get(INT, vector.pointer().address() + i * 4L);
    }
}
