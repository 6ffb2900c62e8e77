// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Rounding;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;

/// Rows of one step over sequences whose earlier keys and values are in the cache.
final class AttentionStep {
    static final int QUERY_HEADS = 3;
    private static final int KV_HEADS = 2;
    private static final int LAYERS = 2;
    private static final int LAYER = 1;
    static final int BLOCKS = 90;
    static final int TABLE_BLOCKS = 70;

    private final Arena arena;
    private final MemorySegment word;
    private final DType type;
    private final DType kvType;
    private final int headSize;
    private final int blockSize;
    private final int window;
    private final float softCap;
    private final int half;
    private final DeviceValues cache;
    final MemorySegment table;
    private final int[] kvHeadOf = {1, 0, 1};
    private final int[] starts = new int[9];
    private final int[] computed = new int[8];
    private final int[] lines = new int[8];
    private int rows;
    int rotaryPositions = 2000;
    private DeviceMatrix qkv;
    private DeviceMatrix out;
    private double[][] original = {};
    private double[][] rotated = {};
    private final float[] cosines;
    private final float[] sines;

    AttentionStep(
            Arena arena,
            MemorySegment word,
            DType type,
            DType kvType,
            int headSize,
            int blockSize,
            int window,
            float softCap) {
        this.arena = arena;
        this.word = word;
        this.type = type;
        this.kvType = kvType;
        this.headSize = headSize;
        this.blockSize = blockSize;
        this.window = window;
        this.softCap = softCap;
        half = headSize / 2 - 2;
        qkv = DeviceMatrix.poisoned(arena, type, 0, 0);
        out = qkv;
        var random = new Random(5);
        int count = BLOCKS * LAYERS * 2 * KV_HEADS * blockSize * headSize;
        cache = DeviceValues.poisoned(arena, kvType, count);
        int[] blocks = new int[4 * TABLE_BLOCKS];
        for (int i = 0; i < blocks.length; i++) {
            // All lines have the same blocks, as sequences with a common prefix do.
            blocks[i] = 1 + i % TABLE_BLOCKS;
        }
        table = arena.allocateFrom(ValueLayout.JAVA_INT, blocks);
        for (int p = 0; p < 1000; p++) {
            for (int head = 0; head < 2 * KV_HEADS; head++) {
                for (int d = 0; d < headSize; d++) {
                    int block = 1 + p / blockSize;
                    if (block < BLOCKS) {
                        cache.set(
                                place(block, head, p % blockSize, d),
                                (float) random.nextGaussian());
                    }
                }
            }
        }
        cosines = new float[2000 * half];
        sines = new float[2000 * half];
        for (int i = 0; i < cosines.length; i++) {
            int position = i / half;
            double angle = position * Math.pow(100, -(double) (i % half) / half);
            cosines[i] = (float) Math.cos(angle);
            sines[i] = (float) Math.sin(angle);
        }
    }

    /// Returns the index of an element; heads from KV_HEADS on are values.
    private long place(int block, int head, int offset, int d) {
        long heads = ((long) block * LAYERS + LAYER) * 2 * KV_HEADS + head;
        return (heads * blockSize + offset) * headSize + d;
    }

    void row(int line, int computedTokens, int tokens) {
        starts[rows + 1] = starts[rows] + tokens;
        lines[rows] = line;
        computed[rows] = computedTokens;
        rows++;
        int columns = (QUERY_HEADS + 2 * KV_HEADS) * headSize;
        qkv = DeviceMatrix.random(arena, type, starts[rows], columns, 11);
    }

    /// Makes the second row a token of another step.
    void copyToken(AttentionStep other, int token, int line, int position) {
        row(line, position, 1);
        cache.memory().copyFrom(other.cache.memory());
        for (int c = 0; c < qkv.columns(); c++) {
            qkv.values().set(qkv.stride() + c, (float) other.original[token][c]);
        }
    }

    void run(int partials) {
        int tokens = starts[rows];
        original = qkv.toArray();
        MemorySegment qkvBefore = arena.allocate(qkv.memory().byteSize(), 8);
        qkvBefore.copyFrom(qkv.memory());
        MemorySegment positions = arena.allocate(4L * tokens, 8);
        MemorySegment tokenLines = arena.allocate(4L * tokens, 8);
        MemorySegment ends = arena.allocate(4L * tokens, 8);
        MemorySegment items = arena.allocate(16L * (tokens + partials), 8);
        MemorySegment merges = arena.allocate(16L * rows, 8);
        MemorySegment count = arena.allocate(4, 8);
        MemorySegment[] plan = {positions, tokenLines, ends, items, merges, count};
        new KernelCall(arena, "attention_plan")
                .pointer(arena.allocateFrom(ValueLayout.JAVA_INT, starts))
                .pointer(arena.allocateFrom(ValueLayout.JAVA_INT, computed))
                .pointer(arena.allocateFrom(ValueLayout.JAVA_INT, lines))
                .view(table, 4, TABLE_BLOCKS, TABLE_BLOCKS)
                .output(positions)
                .output(tokenLines)
                .output(ends)
                .output(items)
                .output(merges)
                .output(count)
                .number(rows)
                .number(tokens)
                .number(blockSize)
                .number(window)
                .number(partials)
                .number(0)
                .number(0)
                .number(0)
                .report(word)
                .report(word)
                .report(word)
                .report(word)
                .run(1, 256);
        int[] absolute = new int[tokens];
        for (int r = 0; r < rows; r++) {
            for (int t = starts[r]; t < starts[r + 1]; t++) {
                absolute[t] = computed[r] + t - starts[r];
            }
        }
        KernelCall store =
                new KernelCall(arena, "rotate_and_store", "-DACTIVATION=" + type, "-DKV=" + kvType)
                        .output(qkv)
                        .pointer(arena.allocateFrom(ValueLayout.JAVA_INT, absolute))
                        .pointer(arena.allocateFrom(ValueLayout.JAVA_FLOAT, cosines))
                        .pointer(arena.allocateFrom(ValueLayout.JAVA_FLOAT, sines))
                        .number(rotaryPositions)
                        .number(half)
                        .number(QUERY_HEADS)
                        .number(KV_HEADS)
                        .number(headSize)
                        .number(LAYER);
        for (MemorySegment part : plan) {
            store.pointer(part);
        }
        kv(
                        store.view(table, 4, TABLE_BLOCKS, TABLE_BLOCKS),
                        cache.memory(),
                        LAYERS,
                        KV_HEADS,
                        blockSize,
                        headSize,
                        BLOCKS,
                        true)
                .report(word)
                .report(word)
                .run(new int[] {tokens, QUERY_HEADS + KV_HEADS, 1}, 32, 0);
        rotated = qkv.toArray();
        out = DeviceMatrix.poisoned(arena, type, tokens, QUERY_HEADS * headSize);
        MemorySegment partial =
                arena.allocate(4L * Math.max(1, partials) * QUERY_HEADS * (headSize + 2), 8);
        String kernel = headSize <= 256 ? "attend" : "attend_wide";
        attend(kernel, plan, partial, new int[] {5, QUERY_HEADS, 1});
        attend(kernel + "_merge", plan, partial, new int[] {rows, QUERY_HEADS, 1});
        qkv.memory().copyFrom(qkvBefore);
    }

    private void attend(String kernel, MemorySegment[] plan, MemorySegment partial, int[] grid) {
        EmulatedObject object =
                EmulatedObject.of("attend", "-DACTIVATION=" + type, "-DKV=" + kvType);
        KernelCall call =
                new KernelCall(arena, object, kernel)
                        .view(qkv)
                        .pointer(arena.allocateFrom(ValueLayout.JAVA_INT, kvHeadOf))
                        .number(0L);
        for (MemorySegment part : plan) {
            call.pointer(part);
        }
        kv(
                        call.view(table, 4, TABLE_BLOCKS, TABLE_BLOCKS),
                        cache.memory(),
                        LAYERS,
                        KV_HEADS,
                        blockSize,
                        headSize,
                        BLOCKS,
                        false)
                .output(out)
                .output(partial)
                .number(QUERY_HEADS)
                .number(headSize)
                .number(LAYER)
                .number(window)
                .number(0.3f)
                .number(softCap)
                .number(0)
                .number(0)
                .report(word)
                .run(grid, 128, 0);
    }

    float[] outputs() {
        float[] values = new float[out.rows() * out.columns()];
        for (int i = 0; i < values.length; i++) {
            values[i] = out.at(i / out.columns(), i % out.columns());
        }
        return values;
    }

    void requireExpected() {
        double[][] expected = new double[out.rows()][out.columns()];
        for (int r = 0; r < rows; r++) {
            for (int t = starts[r]; lines[r] >= 0 && t < starts[r + 1]; t++) {
                int position = computed[r] + t - starts[r];
                requireStored(t, position);
                for (int head = 0; head < QUERY_HEADS; head++) {
                    attend(expected[t], t, head, position);
                }
            }
        }
        for (int t = 0; t < out.rows(); t++) {
            for (int c = 0; c < out.columns(); c++) {
                double error = type == DType.F32 ? 2e-5 : 0.02;
                assertEquals(expected[t][c], out.at(t, c), error, t + ", " + c);
            }
        }
    }

    private void requireStored(int t, int position) {
        for (int head = 0; head < QUERY_HEADS + KV_HEADS; head++) {
            for (int d = 0; d < headSize; d++) {
                int column = head * headSize + d;
                double expected = original[t][column];
                if (d < 2 * half) {
                    int i = d % half;
                    double first = original[t][head * headSize + i];
                    double second = original[t][head * headSize + half + i];
                    double cosine = cosines[position * half + i];
                    double sine = sines[position * half + i];
                    expected =
                            d < half
                                    ? first * cosine - second * sine
                                    : second * cosine + first * sine;
                }
                double error = 2 * DeviceValues.error(type, Math.abs(expected) + 1);
                assertEquals(expected, rotated[t][column], error);
                if (head >= QUERY_HEADS) {
                    int kvHead = head - QUERY_HEADS;
                    int block = 1 + position / blockSize;
                    int offset = position % blockSize;
                    float key = Rounding.of((float) rotated[t][column], kvType);
                    assertEquals(key, cache.get(place(block, kvHead, offset, d)));
                    double value = original[t][column + KV_HEADS * headSize];
                    assertEquals(
                            Rounding.of((float) value, kvType),
                            cache.get(place(block, KV_HEADS + kvHead, offset, d)));
                }
            }
        }
    }

    private void attend(double[] expected, int t, int head, int position) {
        int kvHead = kvHeadOf[head];
        double total = 0;
        double[] sums = new double[headSize];
        for (int p = Math.max(0, position + 1 - window); p <= position; p++) {
            double score = 0;
            for (int d = 0; d < headSize; d++) {
                score +=
                        rotated[t][head * headSize + d]
                                * cache.get(place(1 + p / blockSize, kvHead, p % blockSize, d));
            }
            score *= 0.3f;
            score = softCap > 0 ? softCap * Math.tanh(score / softCap) : score;
            double share = Math.exp(score);
            total += share;
            for (int d = 0; d < headSize; d++) {
                sums[d] +=
                        share
                                * cache.get(
                                        place(
                                                1 + p / blockSize,
                                                KV_HEADS + kvHead,
                                                p % blockSize,
                                                d));
            }
        }
        for (int d = 0; d < headSize; d++) {
            expected[head * headSize + d] = sums[d] / total;
        }
        assertTrue(total > 0);
    }

    /// Adds a cache in the usual order.
    static KernelCall kv(
            KernelCall call,
            MemorySegment cache,
            int layers,
            int heads,
            int blockSize,
            int headSize,
            int blocks,
            boolean written) {
        long head = (long) blockSize * headSize;
        return (written ? call.output(cache) : call.pointer(cache))
                .number(2L * layers * heads * head)
                .number(2L * heads * head)
                .number(heads * head)
                .number(head)
                .number(blockSize)
                .number(blocks);
    }
}
