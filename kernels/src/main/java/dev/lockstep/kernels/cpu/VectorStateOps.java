// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;
import static dev.lockstep.kernels.cpu.VectorLanes.MEMORY;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import dev.lockstep.kernels.LinearAttentionHeads;
import jdk.incubator.vector.FloatVector;

/// The twin of `state.cpp` that needs no compiler. What costs little is computed element by
/// element.
final class VectorStateOps implements StateOps {

    @Override
    public void convolve(
            Rows rows,
            States states,
            long x,
            long stride,
            int columns,
            long weight,
            long bias,
            int taps,
            int from,
            int to) {
        int end = Math.min(columns, to * VectorLanes.COUNT);
        for (int row = 0; row < rows.count(); row++) {
            int line = at(rows.lines(), row);
            if (line < 0) {
                continue;
            }
            boolean fresh = at(rows.computed(), row) == 0;
            for (int c = from * VectorLanes.COUNT; c < end; c++) {
                long state = states.address() + (line * states.stride() + c) * 4;
                float added = bias == 0 ? 0 : MEMORY.get(FLOAT, bias + 4L * c);
                channel(
                        x + 4L * c,
                        stride,
                        at(rows.starts(), row),
                        at(rows.starts(), row + 1),
                        weight + 4L * c,
                        4L * columns,
                        added,
                        taps,
                        state,
                        fresh);
            }
        }
    }

    private static void channel(
            long x,
            long stride,
            int first,
            int end,
            long weight,
            long apart,
            float bias,
            int taps,
            long state,
            boolean fresh) {
        float[] before = new float[taps];
        for (int i = 0; i < taps - 1; i++) {
            before[i] = fresh ? 0 : MEMORY.get(FLOAT, state + i * apart);
        }
        for (int t = first; t < end; t++) {
            long place = x + t * stride * 4;
            before[taps - 1] = MEMORY.get(FLOAT, place);
            float sum = bias;
            for (int i = 0; i < taps; i++) {
                sum = Math.fma(before[i], MEMORY.get(FLOAT, weight + i * apart), sum);
            }
            MEMORY.set(FLOAT, place, sum);
            System.arraycopy(before, 1, before, 0, taps - 1);
        }
        for (int i = 0; i < taps - 1; i++) {
            MEMORY.set(FLOAT, state + i * apart, before[i]);
        }
    }

    @Override
    public void decay(
            long gates,
            long stride,
            int heads,
            long rate,
            long bias,
            float least,
            float most,
            boolean steps,
            int from,
            int to) {
        for (int row = from; row < to; row++) {
            for (int head = 0; head < heads; head++) {
                long share = gates + (row * stride + head) * 4;
                long kept = share + 4L * heads;
                float raw = MEMORY.get(FLOAT, kept) + MEMORY.get(FLOAT, bias + 4L * head);
                float step = StateFunctions.step(raw, least, most);
                MEMORY.set(
                        FLOAT,
                        kept,
                        StateFunctions.kept(MEMORY.get(FLOAT, rate + 4L * head), step));
                MEMORY.set(
                        FLOAT,
                        share,
                        steps ? step : StateFunctions.logistic(MEMORY.get(FLOAT, share)));
            }
        }
    }

    @Override
    public void attend(
            Rows rows,
            States states,
            LinearAttentionHeads heads,
            long qkv,
            long stride,
            long gates,
            long gateStride,
            long skip,
            long out,
            long outStride,
            int from,
            int to) {
        int tiles = heads.valueSize() / VectorLanes.COUNT;
        for (int unit = from; unit < to; unit++) {
            int head = unit / tiles;
            long key = (long) heads.keyHead(head) * heads.keySize();
            long column = (long) unit * VectorLanes.COUNT;
            for (int row = 0; row < rows.count(); row++) {
                int line = at(rows.lines(), row);
                long state =
                        states.address() + (line * states.stride() + column * heads.keySize()) * 4;
                if (line >= 0 && at(rows.computed(), row) == 0) {
                    MEMORY.asSlice(state, VectorLanes.BYTES * heads.keySize()).fill((byte) 0);
                }
                for (int t = at(rows.starts(), row); t < at(rows.starts(), row + 1); t++) {
                    long target = out + (t * outStride + column) * 4;
                    if (line < 0) {
                        MEMORY.asSlice(target, VectorLanes.BYTES).fill((byte) 0);
                        continue;
                    }
                    long token = qkv + t * stride * 4;
                    token(
                            heads,
                            state,
                            token + key * 4,
                            token + (2L * heads.keyColumns() + column) * 4,
                            gates + (t * gateStride + head) * 4,
                            skip == 0 ? 0 : skip + 4L * head,
                            target);
                }
            }
        }
    }

    private static void token(
            LinearAttentionHeads heads,
            long state,
            long query,
            long value,
            long gate,
            long skip,
            long target) {
        int size = heads.keySize();
        long key = query + 4L * heads.keyColumns();
        float share = MEMORY.get(FLOAT, gate);
        float decay = MEMORY.get(FLOAT, gate + 4L * heads.valueHeads());
        boolean delta = heads.rule() == LinearAttentionHeads.Rule.DELTA;
        for (int lane = 0; lane < VectorLanes.COUNT; lane += STEP) {
            long own = state + lane * 4L;
            FloatVector v = vector(value + lane * 4L);
            FloatVector added = v;
            float kept = decay;
            if (delta) {
                added = v.sub(decayed(own, key, decay, size));
                kept = 1;
            }
            FloatVector result = update(own, query, key, added.mul(share), kept, size);
            if (skip != 0) {
                result = v.fma(FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, skip)), result);
            }
            result.intoMemorySegment(MEMORY, target + lane * 4L, ORDER);
        }
    }

    /// Multiplies the state by `decay`, and returns `kᵀ S`.
    private static FloatVector decayed(long state, long key, float decay, int size) {
        FloatVector[] sums = sums();
        for (int i = 0; i < size; i++) {
            long at = state + i * VectorLanes.BYTES;
            FloatVector s = vector(at).mul(decay);
            s.intoMemorySegment(MEMORY, at, ORDER);
            sums[i % 4] = s.fma(factor(key, i), sums[i % 4]);
        }
        return total(sums);
    }

    /// Computes `S = kept · S + k ⊗ added`, and returns `qᵀ S`.
    private static FloatVector update(
            long state, long query, long key, FloatVector added, float kept, int size) {
        FloatVector[] sums = sums();
        for (int i = 0; i < size; i++) {
            long at = state + i * VectorLanes.BYTES;
            FloatVector s = added.fma(factor(key, i), vector(at).mul(kept));
            s.intoMemorySegment(MEMORY, at, ORDER);
            sums[i % 4] = s.fma(factor(query, i), sums[i % 4]);
        }
        return total(sums);
    }

    private static FloatVector[] sums() {
        FloatVector zero = FloatVector.zero(SPECIES);
        return new FloatVector[] {zero, zero, zero, zero};
    }

    private static FloatVector total(FloatVector[] sums) {
        return sums[0].add(sums[1]).add(sums[2].add(sums[3]));
    }

    private static FloatVector factor(long vector, int index) {
        return FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, vector + 4L * index));
    }

    private static FloatVector vector(long address) {
        return FloatVector.fromMemorySegment(SPECIES, MEMORY, address, ORDER);
    }

    private static int at(long array, int index) {
        return MEMORY.get(INT, array + 4L * index);
    }

    @Override
    public void multiply(
            long x,
            long stride,
            int columns,
            long y,
            long yStride,
            int yColumns,
            boolean gated,
            int from,
            int to) {
        for (int row = from; row < to; row++) {
            for (int c = 0; c < columns; c++) {
                long at = x + (row * stride + c) * 4;
                float factor = MEMORY.get(FLOAT, y + (row * yStride + (yColumns == 1 ? 0 : c)) * 4);
                float value = gated ? StateFunctions.logistic(factor) : factor;
                MEMORY.set(FLOAT, at, MEMORY.get(FLOAT, at) * value);
            }
        }
    }
}
