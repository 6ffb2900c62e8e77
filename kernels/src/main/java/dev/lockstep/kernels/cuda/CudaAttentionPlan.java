// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.AttentionPlan;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.PagedBatch;

/// Where a step's list of work lies, which a kernel makes from the rows on the device: positions
/// lines and ends of tokens, items, merges of rows, and the number of items.
///
/// @param partials how many results of splits there is room for
/// @param results of the splits
record CudaAttentionPlan(
        CudaAttention owner,
        PagedBatch batch,
        int partials,
        DevicePointer memory,
        DevicePointer results)
        implements AttentionPlan {

    /// A plan as kernels see it: `AttentionPlan` of `ls_kv.cuh`.
    static final KernelStruct PLAN =
            KernelStruct.named("AttentionPlan")
                    .pointer("positions")
                    .pointer("lines")
                    .pointer("ends")
                    .pointer("items")
                    .pointer("merges")
                    .pointer("count");

    private static final int NUMBER = 4;
    private static final int ITEM = 16;

    /// Returns the bytes of [#memory].
    static long bytes(int tokens, int rows, int partials) {
        return ITEM * ((long) tokens + partials + rows) + 3L * NUMBER * tokens + NUMBER;
    }

    /// Adds the plan to the parameters of a kernel.
    CudaOp put(CudaOp op) {
        DevicePointer merges = memory.plus(ITEM * ((long) batch.tokens() + partials));
        DevicePointer positions = merges.plus((long) ITEM * batch.rows());
        DevicePointer lines = positions.plus((long) NUMBER * batch.tokens());
        DevicePointer ends = lines.plus((long) NUMBER * batch.tokens());
        return op.pointer(positions)
                .pointer(lines)
                .pointer(ends)
                .pointer(memory)
                .pointer(merges)
                .pointer(ends.plus((long) NUMBER * batch.tokens()));
    }
}
