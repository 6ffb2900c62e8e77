// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.BlockCopy;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedKv;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/// A paged cache: `[blocks][layers][keys, values][heads][blockSize][headSize]`, so that a block is
/// one range of memory and a head's keys of a block are another. Values that are the keys are read
/// from there: they are no elements further.
final class CudaPagedKv implements PagedKv {
    /// A cache as kernels see it: `KvCache` of `ls_kv.cuh`.
    static final KernelStruct CACHE =
            KernelStruct.named("KvCache")
                    .pointer("data")
                    .i64("block_stride")
                    .i64("layer_stride")
                    .i64("values_stride")
                    .i64("head_stride")
                    .i32("block_size")
                    .i32("blocks");

    static final KernelDeclaration COPY_BLOCKS =
            KernelDeclaration.of(
                    "copy_blocks",
                    KernelStruct.named("CopyBlocksParams")
                            .struct("kv", CACHE)
                            .pointer("copies")
                            .i32("count")
                            .i32("head_size"));

    private static final int THREADS = 256;

    /// The most copies of a launch, and the numbers of each.
    private static final int COPIES = 1024;

    private static final int NUMBERS = 3;

    private final CudaContext context;
    private final KvLayout layout;
    private final int blocks;
    private final DeviceBuffer memory;
    private final DeviceBuffer copies;
    private final CudaOp copyBlocks;

    CudaPagedKv(CudaContext context, KvLayout layout, int blocks) {
        requireSupported(layout);
        if (blocks < 1) {
            throw new IllegalArgumentException(
                    "%d KV blocks, needs at least the null block".formatted(blocks));
        }
        this.context = context;
        this.layout = layout;
        this.blocks = blocks;
        copyBlocks = context.programs().op(COPY_BLOCKS, "-DKV=" + layout.type());
        copies = context.memory().buffer((long) COPIES * NUMBERS * Integer.BYTES);
        try {
            memory = context.memory().buffer(layout.bytesPerBlock() * blocks);
        } catch (RuntimeException failure) {
            copies.close();
            throw failure;
        }
    }

    static void requireSupported(KvLayout layout) {
        if (layout.valueSize() != layout.headSize()) {
            throw new IllegalArgumentException(
                    "values of %d and keys of %d, a GPU has kernels for equal sizes"
                            .formatted(layout.valueSize(), layout.headSize()));
        }
        switch (layout.type()) {
            case F32, F16, BF16 -> {}
            case I32, I8, FP8 ->
                    throw new IllegalArgumentException(
                            "KV type %s, must be %s, %s or %s"
                                    .formatted(layout.type(), DType.F32, DType.F16, DType.BF16));
        }
    }

    CudaContext owner() {
        return context;
    }

    @Override
    public KvLayout layout() {
        return layout;
    }

    @Override
    public int blocks() {
        return blocks;
    }

    /// Adds this cache to the parameters of a kernel.
    CudaOp put(CudaOp op) {
        long head = (long) layout.blockSize() * layout.headSize();
        long keys = layout.kvHeads() * head;
        long layer = layout.rowsPerToken() * keys;
        return op.pointer(memory.pointer())
                .i64(layout.layers() * layer)
                .i64(layer)
                .i64(layout.valuesAreKeys() ? 0 : keys)
                .i64(head)
                .i32(layout.blockSize())
                .i32(blocks);
    }

    /// Adds no cache to the parameters of a kernel that reads and writes none.
    static CudaOp putNone(CudaOp op) {
        return op.pointer(new DevicePointer(0)).i64(0).i64(0).i64(0).i64(0).i32(1).i32(0);
    }

    /// Does copies that were checked, one after the other.
    void copy(List<BlockCopy> all) {
        for (int from = 0; from < all.size(); from += COPIES) {
            copyTogether(all.subList(from, Math.min(from + COPIES, all.size())));
        }
    }

    private void copyTogether(List<BlockCopy> some) {
        if (layout.kvHeads() == 0) {
            return;
        }
        MemorySegment numbers =
                context.staging().claim((long) some.size() * NUMBERS * Integer.BYTES);
        int at = 0;
        for (BlockCopy copy : some) {
            numbers.setAtIndex(ValueLayout.JAVA_INT, at++, copy.from());
            numbers.setAtIndex(ValueLayout.JAVA_INT, at++, copy.to());
            numbers.setAtIndex(ValueLayout.JAVA_INT, at++, copy.tokens());
        }
        context.staging().enqueue(numbers, copies.pointer());
        put(copyBlocks.begin())
                .pointer(copies.pointer())
                .i32(some.size())
                .i32(layout.headSize())
                .launch(layout.layers(), layout.kvHeads(), layout.rowsPerToken(), THREADS);
    }

    @Override
    public void close() {
        try (memory) {
            copies.close();
        }
    }
}
