// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.BlockCopy;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedKv;
import java.util.List;

/// The KV blocks of one KV group.
final class CudaPagedKv implements PagedKv {
    private final KvLayout layout;
    private final int blocks;

    CudaPagedKv(CudaContext context, KvLayout layout, int blocks) {
        this.layout = layout;
        this.blocks = blocks;
        throw new UnsupportedOperationException("CudaPagedKv");
    }

    @Override
    public KvLayout layout() {
        return layout;
    }

    @Override
    public int blocks() {
        return blocks;
    }

    /// Does copies that were checked, one after the other.
    void copy(List<BlockCopy> copies) {
        throw new UnsupportedOperationException("CudaPagedKv");
    }

    @Override
    public void close() {}
}
