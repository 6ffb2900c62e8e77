// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Overwrites what CPU kernels allocated and write to again and again: activations, index arrays,
/// samples, scratch memory of every op, KV blocks. A buffer that is added later is among them.
public final class ReusedMemory {
    private ReusedMemory() {}

    /// Fills every buffer with `word`, except the blocks, and the tensors at the beginning of a
    /// buffer, to keep.
    ///
    /// @return the number of bytes that were overwritten
    public static long fill(
            Kernels kernels, int word, Collection<PagedKv> kept, Collection<Tensor> keptTensors) {
        if (!(kernels instanceof CpuKernels cpu)) {
            throw new IllegalArgumentException("not CPU kernels: " + kernels);
        }
        Set<Long> keep =
                Stream.concat(
                                kept.stream().map(kv -> ((CpuPagedKv) kv).address(0, 0)),
                                keptTensors.stream().map(each -> each.pointer().address()))
                        .collect(Collectors.toSet());
        long filled = 0;
        for (Map.Entry<Long, Long> buffer : cpu.memory().buffers().entrySet()) {
            if (!keep.contains(buffer.getKey())) {
                fill(AllMemory.SEGMENT.asSlice(buffer.getKey(), buffer.getValue()), word);
                filled += buffer.getValue();
            }
        }
        return filled;
    }

    /// Returns a copy of every block.
    public static byte[] blocks(PagedKv kv) {
        return AllMemory.SEGMENT
                .asSlice(((CpuPagedKv) kv).address(0, 0), kv.layout().bytesPerBlock() * kv.blocks())
                .toArray(ValueLayout.JAVA_BYTE);
    }

    /// Fills a tensor of whole words.
    public static void fill(Tensor tensor, int word) {
        for (int row = 0; row < tensor.rows(); row++) {
            Tensor one = tensor.rows(row, row + 1);
            fill(AllMemory.SEGMENT.asSlice(one.pointer().address(), one.bytes()), word);
        }
    }

    /// Fills the whole words of a segment.
    public static void fill(MemorySegment segment, int word) {
        for (long i = 0; i < segment.byteSize() / Integer.BYTES; i++) {
            segment.set(ValueLayout.JAVA_INT_UNALIGNED, i * Integer.BYTES, word);
        }
    }
}
