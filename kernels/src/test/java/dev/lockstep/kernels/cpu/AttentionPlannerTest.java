// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.ScratchNeed;
import dev.lockstep.kernels.TestDevice;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class AttentionPlannerTest {
    private static final int POSITIONS = 8192;

    @Test
    void everyThreadHasWorkOfOneLongSequenceWithFewHeads() {
        for (int kvHeads = 1; kvHeads <= 5; kvHeads++) {
            for (int threads : new int[] {2, 3, 8, 16}) {
                List<AttentionTile> tiles = decode(kvHeads, threads);
                long all = 0;
                long largest = 0;
                for (AttentionTile tile : tiles) {
                    boolean whole = tile.segment() == AttentionTile.WHOLE;
                    long positions = whole ? POSITIONS : AttentionOps.SEGMENT_TOKENS;
                    all += positions;
                    largest = Math.max(largest, positions);
                }
                String what = kvHeads + " KV heads, " + threads + " threads";
                assertEquals((long) kvHeads * POSITIONS, all, what);
                boolean isSmallest = largest == AttentionOps.SEGMENT_TOKENS;
                assertTrue(isSmallest || 2 * largest * threads <= all, what);
            }
        }
    }

    @Test
    void aSegmentIsTheSameForAnyNumberOfThreads() {
        assertEquals(positions(decode(1, 2)), positions(decode(1, 16)));
    }

    @Test
    void rowsOfOnePrefixShareTiles() {
        // 4 query heads per KV head: 8 rows a group.
        int[][] tables = new int[10][];
        int[] positions = new int[tables.length];
        for (int row = 0; row < tables.length; row++) {
            tables[row] = sharing(2, row);
            positions[row] = 1024 + 16 * row;
        }
        for (int threads : new int[] {1, 2, 16}) {
            CpuAttentionPlan plan = plan(shape(4), threads, tables, positions);
            assertEquals(List.of(8, 8, 8, 8, 2, 2, 2, 2), sharedTokens(plan));
            // Of each row and KV head its own segment.
            assertEquals(8 + 2 * 10, plan.tiles().size());
            assertEquals(4, plan.merges().size());
        }
        CpuAttentionPlan plan = plan(shape(1), 2, tables, positions);
        assertEquals(List.of(10, 10, 10, 10), sharedTokens(plan));
        assertEquals(List.of(), sharedTokens(plan(shape(33), 2, tables, positions)));
    }

    @Test
    void aGroupEndsWhereAnotherRowSavesNoReads() {
        int[][] tables = {sharing(8, 1), sharing(8, 2), sharing(1, 3), sharing(1, 4)};
        CpuAttentionPlan plan = plan(shape(1), 1, tables, 4200, 4200, 600, 700);
        assertEquals(2 * (8 + 1), sharedTokens(plan).size());
        List<Integer> segments = plan.merges().stream().map(AttentionMerge::segments).toList();
        assertEquals(List.of(9, 9, 2, 2), segments);
    }

    @Test
    void aSegmentIsSharedOnlyIfAllOfItIs() {
        int[] changed = sharing(2, 2);
        changed[40] = 1999;
        int[][] tables = {sharing(2, 1), changed};
        assertEquals(2, sharedTokens(plan(shape(4), 2, tables, 1024, 1024)).size());
        assertEquals(
                4,
                sharedTokens(plan(shape(4), 2, new int[][] {tables[0], tables[0]}, 1024, 1100))
                        .size());
        changed[31] = 1998;
        assertEquals(0, sharedTokens(plan(shape(4), 2, tables, 1024, 1024)).size());
        // The last token of a segment attends to all of it but shares nothing.
        int[][] same = {sharing(1, 1), sharing(1, 2)};
        assertEquals(0, sharedTokens(plan(shape(4), 2, same, 511, 600)).size());
        assertEquals(2, sharedTokens(plan(shape(4), 2, same, 512, 600)).size());
    }

    @Test
    void windowsAndChunksShareNothing() {
        int[][] tables = {sharing(2, 1), sharing(2, 2)};
        int none = AttentionShape.NO_WINDOW;
        for (AttentionShape shape :
                List.of(
                        new AttentionShape(new int[] {0}, 1, 32, 1, 4096, 0, 0, false),
                        new AttentionShape(new int[] {0}, 1, 32, 1, 4096, 0, 0, true))) {
            assertEquals(List.of(), sharedTokens(plan(shape, 2, tables, 1030, 1040)));
        }
        var causal = new AttentionShape(new int[] {0}, 1, 32, 1, none, 0, 0, false);
        assertEquals(List.of(2, 2), sharedTokens(plan(causal, 2, tables, 1030, 1040)));
    }

    @Test
    void aStepTakesNoMoreMemoryThanIsReserved() {
        for (int rows : new int[] {2, 3, 10, 64, 200}) {
            for (int position : new int[] {600, 1535, POSITIONS - 1}) {
                int[][] tables = new int[rows][];
                int[] positions = new int[rows];
                for (int row = 0; row < rows; row++) {
                    tables[row] = sharing(1, row);
                    positions[row] = position;
                }
                for (int threads : new int[] {1, 2}) {
                    try (TestDevice device = open(threads)) {
                        var backend = (CpuAttention) backend(device, shape(4));
                        var needs = backend.scratchNeeds(rows, position + 1);
                        backend.plan(batch(device, tables, positions));
                        for (ScratchNeed need : needs) {
                            assertTrue(need.memory().bytes() <= need.bytes(), rows + " rows");
                        }
                    }
                }
            }
        }
    }

    @Test
    void theStatesOfAStepAreBounded() {
        int[][] tables = new int[200][];
        int[] positions = new int[200];
        for (int row = 0; row < tables.length; row++) {
            tables[row] = sharing(1, row);
            positions[row] = POSITIONS - 1;
        }
        // 16 segments: 64 rows are grouped, the others are not.
        CpuAttentionPlan plan = plan(shape(4), 1, tables, positions);
        assertEquals(Collections.nCopies(2 * 64 / 8, 8), sharedTokens(plan));
    }

    private static AttentionShape shape(int headsOfKvHead) {
        int[] kvHeadOf = new int[2 * headsOfKvHead];
        Arrays.fill(kvHeadOf, headsOfKvHead, kvHeadOf.length, 1);
        return new AttentionShape(kvHeadOf, 2, 32, 1);
    }

    /// Returns a block table that begins with so many segments of blocks that are the same for any
    /// `row`.
    private static int[] sharing(int segments, int row) {
        int[] table = new int[POSITIONS / CpuPagedKv.BLOCK];
        for (int i = 0; i < table.length; i++) {
            boolean shared = i < segments * AttentionOps.SEGMENT_TOKENS / CpuPagedKv.BLOCK;
            table[i] = shared ? i + 1 : (row + 1) * table.length + i;
        }
        return table;
    }

    /// Returns the number of tokens of each tile that several rows share.
    private static List<Integer> sharedTokens(CpuAttentionPlan plan) {
        return plan.tiles().stream().map(AttentionTile::tokens).filter(n -> n > 1).toList();
    }

    private static CpuAttentionPlan plan(
            AttentionShape shape, int threads, int[][] tables, int... positions) {
        try (TestDevice device = open(threads)) {
            AttentionBackend backend = backend(device, shape);
            return (CpuAttentionPlan) backend.plan(batch(device, tables, positions));
        }
    }

    private static TestDevice open(int threads) {
        return new TestDevice(CpuKernels.open(CpuOptions.ofThreads(threads).withoutSpinning()));
    }

    private static AttentionBackend backend(TestDevice device, AttentionShape shape) {
        var layout =
                new KvLayout(1, shape.kvHeads(), shape.headSize(), DType.F16, CpuPagedKv.BLOCK);
        return device.kernels().attention(shape, layout);
    }

    /// Returns a step of one token of each sequence.
    private static PagedBatch batch(TestDevice device, int[][] tables, int[] positions) {
        int rows = tables.length;
        int[] lines = IntStream.range(0, rows).toArray();
        int[] starts = IntStream.rangeClosed(0, rows).toArray();
        int[] entries = Arrays.stream(tables).flatMapToInt(Arrays::stream).toArray();
        return new PagedBatch(
                rows,
                rows,
                device.ints(1, rows + 1, starts),
                device.ints(1, rows, positions),
                device.ints(1, rows, lines),
                device.ints(rows, tables[0].length, entries));
    }

    private static List<Integer> positions(List<AttentionTile> tiles) {
        return tiles.stream().map(AttentionTile::segment).sorted().toList();
    }

    /// Returns the tiles of a step of the last token of a sequence.
    private static List<AttentionTile> decode(int kvHeads, int threads) {
        int[] kvHeadOf = new int[3 * kvHeads];
        for (int head = 0; head < kvHeadOf.length; head++) {
            kvHeadOf[head] = head / 3;
        }
        int[][] table = {new int[POSITIONS / CpuPagedKv.BLOCK]};
        var shape = new AttentionShape(kvHeadOf, kvHeads, 32, 1);
        return plan(shape, threads, table, POSITIONS - 1).tiles();
    }
}
