// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.BlockCopy;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedKv;
import java.lang.foreign.MemorySegment;

/// A paged cache of blocks of 16 tokens. A block holds, for each layer and KV head, keys as
/// `[headSize][16 tokens]` (a vector lane is a token, so that scores need no horizontal sum), then
/// values as `[16 tokens][valueSize]`, unless they are the keys. For q8 these are codes; f16 scales
/// of keys, then of values follow, both as `[size / 32][16 tokens]`.
final class CpuPagedKv implements PagedKv {
    static final int BLOCK = 16;

    // Kernels read values sixteen columns at a time, beyond the last head if its size is not a
    // multiple of sixteen.
    private static final long OVERREAD = 64;

    private final KvLayout layout;
    private final int blocks;
    private final DeviceBuffer memory;

    /// Allocates the blocks. Pages are mapped when a block is first written, 2 MiB at a time:
    /// touching all of them at start takes more seconds than the rest of the start, while a step
    /// that touches a new page takes half a millisecond longer.
    CpuPagedKv(CpuMemory memory, KvLayout layout, int blocks) {
        requireSupported(layout);
        if (blocks < 1) {
            throw new IllegalArgumentException(
                    "%d KV blocks, needs at least the null block".formatted(blocks));
        }
        this.layout = layout;
        this.blocks = blocks;
        this.memory = memory.buffer(layout.bytesPerBlock() * blocks + OVERREAD);
    }

    static void requireSupported(KvLayout layout) {
        if (layout.blockSize() != BLOCK) {
            throw new IllegalArgumentException(
                    "KV blocks of %d tokens, must be %d on a CPU"
                            .formatted(layout.blockSize(), BLOCK));
        }
        switch (layout.type()) {
            case F32, F16, BF16, I8, FP8 -> {}
            case I32 ->
                    throw new IllegalArgumentException(
                            "KV type %s, must be F32, F16, BF16, I8 or FP8"
                                    .formatted(layout.type()));
        }
    }

    @Override
    public KvLayout layout() {
        return layout;
    }

    @Override
    public int blocks() {
        return blocks;
    }

    @Override
    public void close() {
        memory.close();
    }

    DType type() {
        return layout.type();
    }

    long blockBytes() {
        return layout.bytesPerBlock();
    }

    /// Returns the address of the keys of a layer and head in block 0; those of block b are `b ·
    /// blockBytes` bytes further.
    long address(int layer, int head) {
        long headBytes = (long) KvLayout.rowBytes(layout.rowSize(), layout.type()) * BLOCK;
        return memory.pointer().address() + ((long) layer * layout.kvHeads() + head) * headBytes;
    }

    void copy(BlockCopy copy) {
        if (copy.tokens() == BLOCK) {
            move(address(0, 0), copy, blockBytes());
        } else {
            copyPrefix(copy);
        }
    }

    private void copyPrefix(BlockCopy copy) {
        int bytes = layout.type().bytes();
        long values = (long) BLOCK * layout.headSize() * bytes;
        long end = (long) BLOCK * layout.rowSize() * bytes;
        for (int layer = 0; layer < layout.layers(); layer++) {
            for (int head = 0; head < layout.kvHeads(); head++) {
                long keys = address(layer, head);
                for (int d = 0; d < layout.headSize(); d++) {
                    move(keys + (long) d * BLOCK * bytes, copy, (long) copy.tokens() * bytes);
                }
                if (!layout.valuesAreKeys()) {
                    move(keys + values, copy, (long) copy.tokens() * layout.valueSize() * bytes);
                }
                if (layout.type() == DType.I8) {
                    copyScales(keys + end, copy);
                }
            }
        }
    }

    private void copyScales(long scales, BlockCopy copy) {
        int bytes = DType.F16.bytes();
        int groups = layout.rowSize() / KvLayout.GROUP;
        for (int group = 0; group < groups; group++) {
            move(scales + (long) group * BLOCK * bytes, copy, (long) copy.tokens() * bytes);
        }
    }

    private void move(long inNullBlock, BlockCopy copy, long bytes) {
        MemorySegment.copy(
                AllMemory.SEGMENT,
                inNullBlock + copy.from() * blockBytes(),
                AllMemory.SEGMENT,
                inNullBlock + copy.to() * blockBytes(),
                bytes);
    }
}
