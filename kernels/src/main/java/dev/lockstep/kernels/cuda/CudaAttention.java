// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionPlan;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import java.util.List;

/// Attention of one shape.
final class CudaAttention implements AttentionBackend, AutoCloseable {

    CudaAttention(CudaContext context, AttentionShape shape, KvLayout layout) {
        throw new UnsupportedOperationException("CudaAttention");
    }

    /// Returns the scratch memory for the largest step.
    List<ScratchNeed> scratchNeeds(int maxTokens, int maxRows, int maxPositions) {
        return List.of();
    }

    @Override
    public AttentionPlan plan(PagedBatch batch) {
        throw new UnsupportedOperationException("CudaAttention");
    }

    @Override
    public void rotateAndStore(
            AttentionPlan plan,
            Tensor qkv,
            RotaryTable rotary,
            Tensor positions,
            PagedKv kv,
            int layer) {
        throw new UnsupportedOperationException("CudaAttention");
    }

    @Override
    public void attend(AttentionPlan plan, Tensor qkv, PagedKv kv, int layer, Tensor out) {
        throw new UnsupportedOperationException("CudaAttention");
    }

    @Override
    public void close() {}
}
