// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.KvScales;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.TestDevice;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/// A block of keys and values as it lies in memory.
final class StoredBlock {
    static final int TOKENS = 5;

    private StoredBlock() {}

    /// Returns the bytes of a block after the fused rows of its first tokens were stored, not
    /// rotated.
    static byte[] bytes(
            TestDevice device,
            AttentionShape shape,
            KvLayout layout,
            Optional<KvScales> scales,
            float[] rows) {
        AttentionBackend backend = device.kernels().attention(shape, layout);
        var kv = (CpuPagedKv) device.kernels().allocateKv(layout, 2);
        device.atClose(kv::close);
        var batch =
                new PagedBatch(
                        1,
                        TOKENS,
                        device.ints(1, 2, 0, TOKENS),
                        device.ints(1, 1, 0),
                        device.ints(1, 1, 0),
                        device.ints(1, 1, 1));
        float[] ones = {1};
        float[] zeros = {0};
        backend.rotateAndStore(
                backend.plan(batch),
                device.floats(TOKENS, shape.qkvColumns(layout), rows),
                device.kernels().prepareRotary(new float[][] {ones}, new float[][] {zeros}),
                device.zeros(DType.I32, 1, TOKENS),
                kv,
                0,
                scales);
        return AllMemory.SEGMENT
                .asSlice(kv.address(0, 0) + kv.blockBytes(), kv.blockBytes())
                .toArray(ValueLayout.JAVA_BYTE);
    }
}
