// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.CpuPagedKv.BLOCK;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;
import static dev.lockstep.kernels.cpu.VectorLanes.MEMORY;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SHORT;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.RotaryTable;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;

/// The twin of `rotate_and_store.cpp`, `attend.cpp` and `expand.cpp` that needs no compiler. Keys
/// and values of 16 bits and codes are widened block by block into scratch.
final class VectorAttentionOps implements AttentionOps {
    @Override
    public void rotateAndStore(
            CpuAttentionPlan plan,
            HeadGroups heads,
            long qkv,
            long stride,
            RotaryTable rotary,
            long positions,
            CpuPagedKv kv,
            int layer,
            KvFactors factors,
            int from,
            int to) {
        int headSize = heads.shape().headSize();
        int valueSize = heads.shape().valueSize();
        int queryHeads = heads.shape().queryHeads();
        int kvHeads = heads.shape().kvHeads();
        KvLayout layout = kv.layout();
        for (int t = from; t < to; t++) {
            int number = MEMORY.get(INT, plan.tokenBlocks() + t * 4L);
            if (number < 0) {
                continue;
            }
            long row = qkv + t * stride * 4;
            int position = MEMORY.get(INT, positions + t * 4L);
            rotateHeads(row, queryHeads + kvHeads, headSize, rotary, position);
            long block = number * kv.blockBytes();
            int offset = MEMORY.get(INT, plan.tokenOffsets() + t * 4L);
            long values = row + (long) (queryHeads + kvHeads) * headSize * 4;
            for (int head = 0; head < kvHeads; head++) {
                long key = row + (long) (queryHeads + head) * headSize * 4;
                long value = values + (long) head * valueSize * 4;
                long keys = kv.address(layer, head) + block;
                if (kv.type() == DType.I8) {
                    StoredCodes.store(key, value, keys, offset, layout);
                } else {
                    int bytes = kv.type().bytes();
                    long column = keys + (long) offset * bytes;
                    long step = (long) BLOCK * bytes;
                    store(key, headSize, factors.keyScale(head), column, step, kv.type());
                    if (!layout.valuesAreKeys()) {
                        long at = (long) BLOCK * headSize + (long) offset * valueSize;
                        float scale = factors.valueScale(head);
                        store(value, valueSize, scale, keys + at * bytes, bytes, kv.type());
                    }
                }
            }
        }
    }

    @Override
    public void rotateQueries(
            CpuAttentionPlan plan,
            HeadGroups heads,
            long qkv,
            long stride,
            RotaryTable rotary,
            long positions,
            int from,
            int to) {
        AttentionShape shape = heads.shape();
        for (int t = from; t < to; t++) {
            if (MEMORY.get(INT, plan.tokenBlocks() + t * 4L) >= 0) {
                int position = MEMORY.get(INT, positions + t * 4L);
                long row = qkv + t * stride * 4;
                rotateHeads(row, shape.queryHeads(), shape.headSize(), rotary, position);
            }
        }
    }

    private static void rotateHeads(
            long row, int heads, int headSize, RotaryTable rotary, int position) {
        int half = rotary.dimensions() / 2;
        long angle = 4L * position * half;
        long cosine = rotary.cos().pointer().address() + angle;
        long sine = rotary.sin().pointer().address() + angle;
        for (int head = 0; head < heads; head++) {
            rotate(row + (long) head * headSize * 4, cosine, sine, half);
        }
    }

    @Override
    public void attend(
            AttentionTile tile,
            AttentionTile next,
            HeadGroups heads,
            long qkv,
            long stride,
            CpuPagedKv kv,
            int layer,
            KvFactors factors,
            long sinks,
            long out,
            long outStride,
            long scratch) {
        var work = new VectorAttentionTile(tile, heads, kv, layer, factors, scratch);
        work.scaleQueries(qkv, stride);
        if (tile.segment() == AttentionTile.WHOLE) {
            work.computeWhole(sinks, out, outStride);
        } else {
            work.computeSegment(tile.segment(), tile.states());
        }
    }

    @Override
    public void readKeys(
            CpuPagedKv kv, int layer, long table, int from, int to, long out, long stride) {
        for (int position = from; position < to; position++) {
            int number = MEMORY.get(INT, table + position / BLOCK * 4L);
            long keys = kv.address(layer, 0) + number * kv.blockBytes();
            long row = out + (position - from) * stride * 4;
            for (int d = 0; d < kv.layout().headSize(); d++) {
                float x = StoredKeys.at(kv.layout(), keys, d, position % BLOCK);
                MEMORY.set(FLOAT, row + d * 4L, x);
            }
        }
    }

    @Override
    public void storeExpanded(
            long rows,
            long stride,
            long shared,
            long sharedStride,
            int rest,
            CpuPagedKv kv,
            int first,
            int from,
            int to) {
        KvLayout layout = kv.layout();
        int own = layout.headSize() - rest;
        for (int position = from; position < to; position++) {
            long row = rows + (position - first) * stride * 4;
            long last = shared + (position - first) * sharedStride * 4;
            long block = (1L + position / BLOCK) * kv.blockBytes();
            int offset = position % BLOCK;
            for (int head = 0; head < layout.kvHeads(); head++) {
                long keys = kv.address(0, head) + block;
                long key = row + (long) head * (own + layout.valueSize()) * 4;
                store(key, own, 1, keys + offset * 4L, BLOCK * 4L, DType.F32);
                long end = keys + ((long) own * BLOCK + offset) * 4;
                store(last, rest, 1, end, BLOCK * 4L, DType.F32);
                long values = (long) BLOCK * layout.headSize() + (long) offset * layout.valueSize();
                store(key + own * 4L, layout.valueSize(), 1, keys + values * 4, 4, DType.F32);
            }
        }
    }

    @Override
    public void merge(
            AttentionMerge merge,
            HeadGroups heads,
            KvFactors factors,
            long sinks,
            long out,
            long outStride) {
        int vectors = merge.tokens() * heads.size(merge.kvHead());
        long stateBytes = 4L * AttentionOps.stateFloats(heads.shape().valueSize());
        for (int m = 0; m < vectors; m++) {
            for (int later = 1; later < merge.segments(); later++) {
                BlockLoops.mergeState(
                        merge.states() + m * stateBytes,
                        merge.states() + ((long) later * vectors + m) * stateBytes,
                        stateBytes);
            }
        }
        writeAll(merge, heads, factors, sinks, out, outStride);
    }

    /// Divides the states of the first segment by their sums of weights and writes each to its
    /// head's columns.
    static void writeAll(
            AttentionMerge merged,
            HeadGroups heads,
            KvFactors factors,
            long sinks,
            long out,
            long outStride) {
        int valueSize = heads.shape().valueSize();
        long stateBytes = 4L * AttentionOps.stateFloats(valueSize);
        int size = heads.size(merged.kvHead());
        for (int m = 0; m < merged.tokens() * size; m++) {
            int head = MEMORY.get(INT, heads.address(merged.kvHead()) + m % size * 4L);
            long row = out + (merged.token() + m / size) * outStride * 4;
            long target = row + (long) head * valueSize * 4;
            long sink = sinks == 0 ? 0 : sinks + head * 4L;
            float scale = factors.ofValues(merged.kvHead());
            BlockLoops.finish(merged.states() + m * stateBytes, valueSize, sink, scale, target);
        }
    }

    // Element i of the first half is rotated with element i of the second.
    private static void rotate(long head, long cosine, long sine, int half) {
        int i = 0;
        for (; i + STEP <= half; i += STEP) {
            long first = head + i * 4L;
            long second = first + half * 4L;
            FloatVector c = FloatVector.fromMemorySegment(SPECIES, MEMORY, cosine + i * 4L, ORDER);
            FloatVector s = FloatVector.fromMemorySegment(SPECIES, MEMORY, sine + i * 4L, ORDER);
            FloatVector a = FloatVector.fromMemorySegment(SPECIES, MEMORY, first, ORDER);
            FloatVector b = FloatVector.fromMemorySegment(SPECIES, MEMORY, second, ORDER);
            FloatVector.zero(SPECIES)
                    .sub(b)
                    .fma(s, a.mul(c))
                    .intoMemorySegment(MEMORY, first, ORDER);
            a.fma(s, b.mul(c)).intoMemorySegment(MEMORY, second, ORDER);
        }
        for (; i < half; i++) {
            long first = head + i * 4L;
            long second = first + half * 4L;
            float c = MEMORY.get(FLOAT, cosine + i * 4L);
            float s = MEMORY.get(FLOAT, sine + i * 4L);
            float a = MEMORY.get(FLOAT, first);
            float b = MEMORY.get(FLOAT, second);
            MEMORY.set(FLOAT, first, Math.fma(0 - b, s, a * c));
            MEMORY.set(FLOAT, second, Math.fma(a, s, b * c));
        }
    }

    /// Stores a row at `to`, its elements `step` bytes apart.
    ///
    /// @param scale by which FP8 is divided
    private static void store(long row, int size, float scale, long to, long step, DType type) {
        for (int d = 0; d < size; d++) {
            put(to + d * step, MEMORY.get(FLOAT, row + d * 4L), scale, type);
        }
    }

    private static void put(long address, float x, float scale, DType type) {
        switch (type) {
            case F32 -> MEMORY.set(FLOAT, address, x);
            case F16 -> MEMORY.set(SHORT, address, Float.floatToFloat16(x));
            case BF16 -> MEMORY.set(SHORT, address, VectorLanes.floatToBfloat16(x));
            case FP8 -> MEMORY.set(ValueLayout.JAVA_BYTE, address, Float8.nearest(x / scale));
            case I32, I8 -> throw new IllegalArgumentException("KV type " + type);
        }
    }
}
