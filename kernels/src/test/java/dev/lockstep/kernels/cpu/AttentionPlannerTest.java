// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import java.util.List;
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

    private static List<Integer> positions(List<AttentionTile> tiles) {
        return tiles.stream().map(AttentionTile::segment).sorted().toList();
    }

    /// Returns the tiles of a step of the last token of a sequence.
    private static List<AttentionTile> decode(int kvHeads, int threads) {
        int[] kvHeadOf = new int[3 * kvHeads];
        for (int head = 0; head < kvHeadOf.length; head++) {
            kvHeadOf[head] = head / 3;
        }
        CpuOptions options = CpuOptions.ofThreads(threads).withoutSpinning();
        try (var device = new TestDevice(CpuKernels.open(options))) {
            var shape = new AttentionShape(kvHeadOf, kvHeads, 32, 1);
            var layout = new KvLayout(1, kvHeads, 32, DType.F16, CpuPagedKv.BLOCK);
            AttentionBackend backend = device.kernels().attention(shape, layout);
            Tensor table = device.zeros(DType.I32, 1, POSITIONS / CpuPagedKv.BLOCK);
            var batch =
                    new PagedBatch(
                            1,
                            1,
                            device.ints(1, 2, 0, 1),
                            device.ints(1, 1, POSITIONS - 1),
                            device.ints(1, 1, 0),
                            table);
            return ((CpuAttentionPlan) backend.plan(batch)).tiles();
        }
    }
}
