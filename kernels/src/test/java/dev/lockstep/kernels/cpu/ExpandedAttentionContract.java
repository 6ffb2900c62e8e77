// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionPlan;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.ExpandedAttention;
import dev.lockstep.kernels.ExpandedHeads;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.WeightRows;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/// The contract of attention to keys and values that are computed from a cache of latents. Where
/// matrices are the identity, it is attention over that cache, but for rounding.
interface ExpandedAttentionContract {
    int ROTATED = 32;
    int RANK = 32;
    int CACHED = ROTATED + RANK;
    int LENGTH = 600;
    int FIRST = 560;
    List<DType> TYPES = List.of(DType.F32, DType.F16, DType.BF16, DType.I8, DType.FP8);

    InstructionSet instructionSet();

    @Test
    default void expandedAttentionOverIdentitiesIsThatOverTheCache() {
        for (DType type : TYPES) {
            for (int heads : new int[] {1, 3, 5, 8}) {
                try (var run = new Run(instructionSet(), heads, type, 1)) {
                    float[] absorbed = run.absorbed();
                    float[] expanded = run.expanded(identities(heads), FIRST);
                    for (int t = 0; t < LENGTH - FIRST; t++) {
                        for (int head = 0; head < heads; head++) {
                            int from = (t * heads + head) * CACHED + ROTATED;
                            int own = (t * heads + head) * RANK;
                            assertArrayEquals(
                                    Arrays.copyOfRange(absorbed, from, from + RANK),
                                    Arrays.copyOfRange(expanded, own, own + RANK),
                                    2e-6f,
                                    type + ", " + heads + " heads");
                        }
                    }
                }
            }
        }
    }

    @Test
    default void expandedRowsHaveTheSameBitsInAnyChunksOnAnyThreadsAndByTheTwin() {
        for (DType type : TYPES) {
            int[] expected;
            try (var run = new Run(InstructionSet.VECTOR_API, 6, type, 1)) {
                expected = bits(run.expanded(matrices(6), FIRST));
            }
            for (int threads = 1; threads <= 3; threads++) {
                try (var run = new Run(instructionSet(), 6, type, threads)) {
                    assertArrayEquals(expected, bits(run.expanded(matrices(6), FIRST)));
                    assertArrayEquals(expected, bits(run.expanded(matrices(6), FIRST + 11)));
                }
            }
        }
    }

    @Test
    default void weightsForOtherGroupsAreRefused() {
        try (var run = new Run(instructionSet(), 6, DType.F32, 1)) {
            assertEquals(
                    "1 weights for 2 groups of heads",
                    assertThrows(
                                    IllegalArgumentException.class,
                                    () -> run.expanded(matrices(3), FIRST))
                            .getMessage());
        }
    }

    private static int[] bits(float[] values) {
        return MemorySegment.ofArray(values).toArray(java.lang.foreign.ValueLayout.JAVA_INT);
    }

    /// Returns the rows of each head: of its key, then of its value.
    private static float[] identities(int heads) {
        float[] rows = new float[heads * 2 * RANK * RANK];
        for (int row = 0; row < heads * 2 * RANK; row++) {
            rows[row * RANK + row % RANK] = 1;
        }
        return rows;
    }

    private static float[] matrices(int heads) {
        return random(4, heads * 2 * RANK * RANK);
    }

    private static float[] random(int seed, int count) {
        var random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = random.nextFloat() * 2 - 1;
        }
        return values;
    }

    @Test
    default void kernelsThatDoNotExpandHaveNoMemoryForIt() {
        var options = CpuOptions.ofThreads(1).with(InstructionSet.VECTOR_API);
        var layout = new KvLayout(2, 1, CACHED, DType.F16, CpuPagedKv.BLOCK, true);
        try (Kernels kernels = CpuKernels.open(options)) {
            kernels.reserve(LENGTH, 1, LENGTH);
            long before = kernels.allocatedBytes();
            var heads = new ExpandedHeads(4, RANK, RANK, ROTATED, RANK, 0.2f);
            assertEquals(Optional.empty(), kernels.expandedAttention(heads, layout));
            kernels.reserve(LENGTH, 1, LENGTH);
            assertEquals(before, kernels.allocatedBytes());
        }
    }

    /// One sequence of [#LENGTH] positions whose latents are stored in blocks in another order, in
    /// the second of two layers.
    final class Run implements AutoCloseable {
        private final TestDevice device;
        private final Kernels kernels;
        private final ExpandedHeads heads;
        private final AttentionBackend attention;
        private final ExpandedAttention expanded;
        private final PagedKv kv;
        private final Tensor table;
        private final float[] queries;

        Run(InstructionSet set, int heads, DType type, int threads) {
            device = new TestDevice(OpenKernels.of(set, threads));
            kernels = device.kernels();
            this.heads = new ExpandedHeads(heads, RANK, RANK, ROTATED, RANK, 0.2f);
            var layout = new KvLayout(2, 1, CACHED, type, CpuPagedKv.BLOCK, true);
            var shape = new AttentionShape(new int[heads], 1, CACHED, 0.2f);
            attention = kernels.attention(shape, layout);
            expanded = kernels.expandedAttention(this.heads, layout).orElseThrow();
            int blocks = Math.ceilDiv(LENGTH, CpuPagedKv.BLOCK);
            kv = kernels.allocateKv(layout, blocks + 1);
            device.atClose(kv::close);
            table =
                    device.ints(
                            1, blocks, IntStream.range(0, blocks).map(i -> blocks - i).toArray());
            queries = random(3, (LENGTH - FIRST) * heads * CACHED);
            kernels.reserve(LENGTH, 1, LENGTH);
            store();
        }

        private void store() {
            Tensor rows =
                    device.floats(
                            LENGTH,
                            (heads.heads() + 1) * CACHED,
                            random(2, LENGTH * (heads.heads() + 1) * CACHED));
            float[][] ones = new float[LENGTH][ROTATED / 2];
            for (float[] each : ones) {
                Arrays.fill(each, 1);
            }
            RotaryTable none = kernels.prepareRotary(ones, new float[LENGTH][ROTATED / 2]);
            Tensor positions = device.ints(1, LENGTH, IntStream.range(0, LENGTH).toArray());
            attention.rotateAndStore(
                    attention.plan(batch(0, LENGTH, 0)), rows, none, positions, kv, 1);
        }

        /// @param expandedRows 1 for all tokens, else 0
        private PagedBatch batch(int from, int to, int expandedRows) {
            return new PagedBatch(
                    1,
                    to - from,
                    device.ints(1, 2, 0, to - from),
                    device.ints(1, 1, from),
                    device.ints(1, 1, 0),
                    table,
                    expandedRows,
                    expandedRows * (to - from));
        }

        /// Returns attention over the cache, `[tokens, heads · (rotated + latent)]`.
        float[] absorbed() {
            int tokens = LENGTH - FIRST;
            int width = heads.heads() * CACHED;
            float[] rows = new float[tokens * (width + CACHED)];
            for (int t = 0; t < tokens; t++) {
                System.arraycopy(queries, t * width, rows, t * (width + CACHED), width);
            }
            Tensor out = device.zeros(tokens, width);
            attention.attend(
                    attention.plan(batch(FIRST, LENGTH, 0)),
                    device.floats(tokens, width + CACHED, rows),
                    kv,
                    1,
                    out);
            return device.floats(out);
        }

        /// Returns attention of expanded rows that end and begin at `cut`, if that is not the first
        /// position.
        float[] expanded(float[] matrices, int cut) {
            int group = heads.groupRows() * RANK;
            List<PackedWeight> weights =
                    IntStream.range(0, matrices.length / group)
                            .mapToObj(i -> Arrays.copyOfRange(matrices, i * group, (i + 1) * group))
                            .map(this::pack)
                            .toList();
            Tensor out = device.zeros(LENGTH - FIRST, heads.heads() * RANK);
            Tensor all = device.floats(LENGTH - FIRST, heads.heads() * CACHED, turned());
            for (int from = FIRST; from < LENGTH; from = from < cut ? cut : LENGTH) {
                int to = from < cut ? cut : LENGTH;
                AttentionPlan plan = attention.plan(batch(from, to, 1));
                Tensor own = all.rows(from - FIRST, to - FIRST);
                expanded.attend(plan, kv, 1, own, weights, out.rows(from - FIRST, to - FIRST));
            }
            return device.floats(out);
        }

        /// Returns the queries with the rotated dimensions of each head last.
        private float[] turned() {
            float[] turned = new float[queries.length];
            for (int from = 0; from < queries.length; from += CACHED) {
                System.arraycopy(queries, from, turned, from + RANK, ROTATED);
                System.arraycopy(queries, from + ROTATED, turned, from, RANK);
            }
            return turned;
        }

        private PackedWeight pack(float[] matrix) {
            int rows = matrix.length / RANK;
            return kernels.prepare(
                    List.of(
                            new WeightRows(
                                    "test",
                                    MemorySegment.ofArray(matrix),
                                    TensorType.F32,
                                    RANK,
                                    IntStream.range(0, rows).toArray(),
                                    0,
                                    RANK)),
                    DType.F32);
        }

        @Override
        public void close() {
            device.close();
        }
    }
}
