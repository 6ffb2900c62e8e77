package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.CpuPagedKv.BLOCK;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;
import static dev.lockstep.kernels.cpu.VectorLanes.MEMORY;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SHORT;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.RotaryTable;
import jdk.incubator.vector.FloatVector;

/// The twin of `rotate_and_store.cpp` and `attend.cpp` that needs no compiler. Keys and values of
/// 16 bits are widened block by block into scratch.
final class VectorAttentionOps implements AttentionOps {
    private static final int SEGMENT_BLOCKS = SEGMENT_TOKENS / BLOCK;

    // Where a state keeps its sums of weights and its values, in bytes.
    private static final long WEIGHTS = VectorLanes.BYTES;
    private static final long VALUES = 2 * VectorLanes.BYTES;

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
            int from,
            int to) {
        int headSize = heads.shape().headSize();
        int queryHeads = heads.shape().queryHeads();
        int kvHeads = heads.shape().kvHeads();
        int half = rotary.dimensions() / 2;
        for (int t = from; t < to; t++) {
            long row = qkv + t * stride * 4;
            long angle = 4L * MEMORY.get(INT, positions + t * 4L) * half;
            long cosine = rotary.cos().pointer().address() + angle;
            long sine = rotary.sin().pointer().address() + angle;
            for (int head = 0; head < queryHeads + kvHeads; head++) {
                rotate(row + (long) head * headSize * 4, cosine, sine, half);
            }
            long block = MEMORY.get(INT, plan.tokenBlocks() + t * 4L) * kv.blockBytes();
            int offset = MEMORY.get(INT, plan.tokenOffsets() + t * 4L);
            for (int head = 0; head < kvHeads; head++) {
                long key = row + (long) (queryHeads + head) * headSize * 4;
                long value = key + (long) kvHeads * headSize * 4;
                long keys = kv.address(layer, head) + block;
                store(key, value, keys, offset, headSize, kv.type());
            }
        }
    }

    @Override
    public void attend(
            AttentionTile tile,
            HeadGroups heads,
            long qkv,
            long stride,
            CpuPagedKv kv,
            int layer,
            long out,
            long outStride,
            long scratch) {
        var work = new Work(tile, heads, kv, layer, scratch);
        work.scaleQueries(qkv, stride);
        if (tile.segment() != AttentionTile.WHOLE) {
            work.computeSegment(tile.segment(), tile.states());
            return;
        }
        work.computeSegment(0, work.states);
        for (int segment = 1; segment <= tile.lastSegment(); segment++) {
            work.computeSegment(segment, work.later);
            for (int m = 0; m < work.vectors; m++) {
                mergeState(
                        work.states + m * work.stateBytes,
                        work.later + m * work.stateBytes,
                        work.stateBytes);
            }
        }
        writeAll(tile, heads, work.states, out, outStride);
    }

    @Override
    public void merge(AttentionTile first, HeadGroups heads, long out, long outStride) {
        int vectors = first.tokens() * heads.size(first.kvHead());
        long stateBytes = 4L * AttentionOps.stateFloats(heads.shape().headSize());
        for (int m = 0; m < vectors; m++) {
            for (int segment = 1; segment <= first.lastSegment(); segment++) {
                mergeState(
                        first.states() + m * stateBytes,
                        first.states() + ((long) segment * vectors + m) * stateBytes,
                        stateBytes);
            }
        }
        writeAll(first, heads, first.states(), out, outStride);
    }

    private static void writeAll(
            AttentionTile tile, HeadGroups heads, long states, long out, long outStride) {
        int headSize = heads.shape().headSize();
        long stateBytes = 4L * AttentionOps.stateFloats(headSize);
        int size = heads.size(tile.kvHead());
        for (int m = 0; m < tile.tokens() * size; m++) {
            int head = MEMORY.get(INT, heads.address(tile.kvHead()) + m % size * 4L);
            long row = out + (tile.token() + m / size) * outStride * 4;
            finish(states + m * stateBytes, headSize, row + (long) head * headSize * 4);
        }
    }

    // Element i of the first half turns with element i of the second.
    private static void rotate(long head, long cosine, long sine, int half) {
        int i = 0;
        for (; i + STEP <= half; i += STEP) {
            long first = head + i * 4L;
            long second = first + half * 4L;
            var c = FloatVector.fromMemorySegment(SPECIES, MEMORY, cosine + i * 4L, ORDER);
            var s = FloatVector.fromMemorySegment(SPECIES, MEMORY, sine + i * 4L, ORDER);
            var a = FloatVector.fromMemorySegment(SPECIES, MEMORY, first, ORDER);
            var b = FloatVector.fromMemorySegment(SPECIES, MEMORY, second, ORDER);
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

    private static void store(
            long key, long value, long keys, int offset, int headSize, DType type) {
        int bytes = type.bytes();
        long values = keys + ((long) BLOCK * headSize + (long) offset * headSize) * bytes;
        for (int d = 0; d < headSize; d++) {
            put(keys + ((long) d * BLOCK + offset) * bytes, MEMORY.get(FLOAT, key + d * 4L), type);
            put(values + (long) d * bytes, MEMORY.get(FLOAT, value + d * 4L), type);
        }
    }

    private static void put(long address, float x, DType type) {
        switch (type) {
            case F32 -> MEMORY.set(FLOAT, address, x);
            case F16 -> MEMORY.set(SHORT, address, Float.floatToFloat16(x));
            case BF16 -> MEMORY.set(SHORT, address, VectorLanes.floatToBfloat16(x));
            case I32, I8 -> throw new IllegalArgumentException("KV type " + type);
        }
    }

    private static void mergeState(long state, long later, long stateBytes) {
        float other = MEMORY.get(FLOAT, later);
        if (other == Float.NEGATIVE_INFINITY) {
            return;
        }
        float before = MEMORY.get(FLOAT, state);
        float now = other > before ? other : before;
        float a = Exponential.of(before - now);
        float b = Exponential.of(other - now);
        MEMORY.set(FLOAT, state, now);
        for (long i = WEIGHTS; i < stateBytes; i += STEP * 4L) {
            var sum = FloatVector.fromMemorySegment(SPECIES, MEMORY, state + i, ORDER).mul(a);
            FloatVector.fromMemorySegment(SPECIES, MEMORY, later + i, ORDER)
                    .fma(FloatVector.broadcast(SPECIES, b), sum)
                    .intoMemorySegment(MEMORY, state + i, ORDER);
        }
    }

    private static void finish(long state, int headSize, long out) {
        float factor = 1 / VectorLanes.sum(state + WEIGHTS);
        for (int d = 0; d < headSize; d++) {
            float value = MEMORY.get(FLOAT, state + VALUES + d * 4L);
            MEMORY.set(FLOAT, out + d * 4L, value * factor);
        }
    }

    /// One tile in one thread's scratch memory.
    private static final class Work {
        private final AttentionTile tile;
        private final HeadGroups heads;
        private final CpuPagedKv kv;
        private final int headSize;
        private final int group;
        private final int vectors;
        private final long queryBytes;
        private final long stateBytes;
        private final long kvHead;
        private final long queries;
        private final long weights;
        private final long factors;
        private final long states;
        private final long later;
        private final long wide;

        Work(AttentionTile tile, HeadGroups heads, CpuPagedKv kv, int layer, long scratch) {
            this.tile = tile;
            this.heads = heads;
            this.kv = kv;
            headSize = heads.shape().headSize();
            group = heads.size(tile.kvHead());
            vectors = tile.tokens() * group;
            queryBytes = 4L * AttentionOps.padded(headSize);
            stateBytes = 4L * AttentionOps.stateFloats(headSize);
            kvHead = kv.address(layer, tile.kvHead());
            queries = scratch;
            weights = queries + vectors * queryBytes;
            factors = weights + vectors * VectorLanes.BYTES;
            states = factors + vectors * 4L;
            later = states + vectors * stateBytes;
            wide = later + vectors * stateBytes;
        }

        void scaleQueries(long qkv, long stride) {
            float scale = heads.shape().scale();
            for (int m = 0; m < vectors; m++) {
                int head = MEMORY.get(INT, heads.address(tile.kvHead()) + m % group * 4L);
                long from =
                        qkv + (tile.token() + m / group) * stride * 4 + (long) head * headSize * 4;
                for (int d = 0; d < headSize; d++) {
                    float q = MEMORY.get(FLOAT, from + d * 4L) * scale;
                    MEMORY.set(FLOAT, queries + m * queryBytes + d * 4L, q);
                }
            }
        }

        void computeSegment(int segment, long states) {
            for (int m = 0; m < vectors; m++) {
                long state = states + m * stateBytes;
                MEMORY.asSlice(state, stateBytes).fill((byte) 0);
                MEMORY.set(FLOAT, state, Float.NEGATIVE_INFINITY);
            }
            int last = Math.min((segment + 1) * SEGMENT_BLOCKS - 1, tile.lastPosition() / BLOCK);
            for (int block = segment * SEGMENT_BLOCKS; block <= last; block++) {
                addBlock(block, states);
            }
        }

        private void addBlock(int block, long states) {
            long keys = kvHead + MEMORY.get(INT, tile.blockTable() + block * 4L) * kv.blockBytes();
            if (kv.type() != DType.F32) {
                widen(keys, wide, 2 * BLOCK * headSize, kv.type());
                keys = wide;
            }
            long values = keys + (long) BLOCK * headSize * 4;
            int first = Math.max(0, block * BLOCK - tile.position()) * group;
            int m = first;
            for (; m + 4 <= vectors; m += 4) {
                scores4(query(m), queryBytes, keys, headSize, weight(m));
            }
            for (; m < vectors; m++) {
                scores(query(m), keys, headSize, weight(m));
            }
            for (m = first; m < vectors; m++) {
                float factor = weigh(weight(m), visible(m, block), states + m * stateBytes);
                MEMORY.set(FLOAT, factors + m * 4L, factor);
            }
            for (m = first; m < vectors; ) {
                int seen = visible(m, block);
                long state = states + m * stateBytes + VALUES;
                if (m + 4 <= vectors && visible(m + 3, block) == seen) {
                    values4(weight(m), factors + m * 4L, values, headSize, seen, state, stateBytes);
                    m += 4;
                } else {
                    values(weight(m), factors + m * 4L, values, headSize, seen, state);
                    m++;
                }
            }
        }

        private int visible(int vector, int block) {
            return Math.min(BLOCK, tile.position() + vector / group + 1 - block * BLOCK);
        }

        private long query(int vector) {
            return queries + vector * queryBytes;
        }

        private long weight(int vector) {
            return weights + vector * VectorLanes.BYTES;
        }
    }

    private static void widen(long from, long to, int count, DType type) {
        if (type == DType.F16) {
            for (int i = 0; i < count; i++) {
                MEMORY.set(
                        FLOAT, to + i * 4L, Float.float16ToFloat(MEMORY.get(SHORT, from + i * 2L)));
            }
        } else {
            for (int i = 0; i < count; i++) {
                float x = VectorLanes.bfloat16ToFloat(MEMORY.get(SHORT, from + i * 2L));
                MEMORY.set(FLOAT, to + i * 4L, x);
            }
        }
    }

    private static void scores(long q, long keys, int headSize, long out) {
        for (int i = 0; i < BLOCK; i += STEP) {
            var sum = FloatVector.zero(SPECIES);
            for (int d = 0; d < headSize; d++) {
                long at = keys + ((long) d * BLOCK + i) * 4;
                sum =
                        FloatVector.fromMemorySegment(SPECIES, MEMORY, at, ORDER)
                                .fma(broadcast(q + d * 4L), sum);
            }
            sum.intoMemorySegment(MEMORY, out + i * 4L, ORDER);
        }
    }

    private static void scores4(long q, long queryBytes, long keys, int headSize, long out) {
        long q1 = q + queryBytes;
        long q2 = q1 + queryBytes;
        long q3 = q2 + queryBytes;
        for (int i = 0; i < BLOCK; i += STEP) {
            var sum0 = FloatVector.zero(SPECIES);
            var sum1 = sum0;
            var sum2 = sum0;
            var sum3 = sum0;
            for (int d = 0; d < headSize; d++) {
                long at = keys + ((long) d * BLOCK + i) * 4;
                var key = FloatVector.fromMemorySegment(SPECIES, MEMORY, at, ORDER);
                sum0 = key.fma(broadcast(q + d * 4L), sum0);
                sum1 = key.fma(broadcast(q1 + d * 4L), sum1);
                sum2 = key.fma(broadcast(q2 + d * 4L), sum2);
                sum3 = key.fma(broadcast(q3 + d * 4L), sum3);
            }
            sum0.intoMemorySegment(MEMORY, out + i * 4L, ORDER);
            sum1.intoMemorySegment(MEMORY, out + i * 4L + VectorLanes.BYTES, ORDER);
            sum2.intoMemorySegment(MEMORY, out + i * 4L + 2 * VectorLanes.BYTES, ORDER);
            sum3.intoMemorySegment(MEMORY, out + i * 4L + 3 * VectorLanes.BYTES, ORDER);
        }
    }

    // Scores of one vector become weights; returns what its older sums must be multiplied with.
    private static float weigh(long scores, int visible, long state) {
        float before = MEMORY.get(FLOAT, state);
        float now = before;
        for (int t = 0; t < BLOCK; t++) {
            if (t >= visible) {
                MEMORY.set(FLOAT, scores + t * 4L, Float.NEGATIVE_INFINITY);
            }
            float score = MEMORY.get(FLOAT, scores + t * 4L);
            now = score > now ? score : now;
        }
        Exponential.lanes(scores, now, 1);
        float factor = now == before ? 1 : Exponential.of(before - now);
        for (long i = 0; i < VectorLanes.BYTES; i += STEP * 4L) {
            FloatVector.fromMemorySegment(SPECIES, MEMORY, state + WEIGHTS + i, ORDER)
                    .fma(
                            FloatVector.broadcast(SPECIES, factor),
                            FloatVector.fromMemorySegment(SPECIES, MEMORY, scores + i, ORDER))
                    .intoMemorySegment(MEMORY, state + WEIGHTS + i, ORDER);
        }
        MEMORY.set(FLOAT, state, now);
        return factor;
    }

    private static void values(
            long weights, long factor, long rows, int headSize, int visible, long values) {
        for (int c = 0; c < headSize; c += STEP) {
            long at = values + c * 4L;
            var sum =
                    FloatVector.fromMemorySegment(SPECIES, MEMORY, at, ORDER)
                            .mul(MEMORY.get(FLOAT, factor));
            for (int t = 0; t < visible; t++) {
                long row = rows + ((long) t * headSize + c) * 4;
                sum =
                        FloatVector.fromMemorySegment(SPECIES, MEMORY, row, ORDER)
                                .fma(broadcast(weights + t * 4L), sum);
            }
            sum.intoMemorySegment(MEMORY, at, ORDER);
        }
    }

    private static void values4(
            long weights,
            long factors,
            long rows,
            int headSize,
            int visible,
            long values,
            long stateBytes) {
        for (int c = 0; c < headSize; c += STEP) {
            long at = values + c * 4L;
            long at1 = at + stateBytes;
            long at2 = at1 + stateBytes;
            long at3 = at2 + stateBytes;
            var sum0 =
                    FloatVector.fromMemorySegment(SPECIES, MEMORY, at, ORDER)
                            .mul(MEMORY.get(FLOAT, factors));
            var sum1 =
                    FloatVector.fromMemorySegment(SPECIES, MEMORY, at1, ORDER)
                            .mul(MEMORY.get(FLOAT, factors + 4));
            var sum2 =
                    FloatVector.fromMemorySegment(SPECIES, MEMORY, at2, ORDER)
                            .mul(MEMORY.get(FLOAT, factors + 8));
            var sum3 =
                    FloatVector.fromMemorySegment(SPECIES, MEMORY, at3, ORDER)
                            .mul(MEMORY.get(FLOAT, factors + 12));
            for (int t = 0; t < visible; t++) {
                long from = rows + ((long) t * headSize + c) * 4;
                long weight = weights + t * 4L;
                var row = FloatVector.fromMemorySegment(SPECIES, MEMORY, from, ORDER);
                sum0 = row.fma(broadcast(weight), sum0);
                sum1 = row.fma(broadcast(weight + VectorLanes.BYTES), sum1);
                sum2 = row.fma(broadcast(weight + 2 * VectorLanes.BYTES), sum2);
                sum3 = row.fma(broadcast(weight + 3 * VectorLanes.BYTES), sum3);
            }
            sum0.intoMemorySegment(MEMORY, at, ORDER);
            sum1.intoMemorySegment(MEMORY, at1, ORDER);
            sum2.intoMemorySegment(MEMORY, at2, ORDER);
            sum3.intoMemorySegment(MEMORY, at3, ORDER);
        }
    }

    private static FloatVector broadcast(long address) {
        return FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, address));
    }
}
