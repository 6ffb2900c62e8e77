// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.CpuPagedKv.BLOCK;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.MEMORY;
import static dev.lockstep.kernels.cpu.VectorLanes.SHORT;

import dev.lockstep.kernels.KvLayout;
import java.lang.foreign.ValueLayout;

/// Reads single elements of keys as they were stored, without the scales of FP8. The twin of
/// `expand.cpp`.
final class StoredKeys {
    private StoredKeys() {}

    /// Returns a dimension of the key of a token.
    ///
    /// @param keys address of the keys of a head in a block that holds keys alone
    static float at(KvLayout layout, long keys, int dimension, int token) {
        long element = (long) dimension * BLOCK + token;
        return switch (layout.type()) {
            case F32 -> MEMORY.get(FLOAT, keys + element * 4);
            case F16 -> Float.float16ToFloat(MEMORY.get(SHORT, keys + element * 2));
            case BF16 -> VectorLanes.bfloat16ToFloat(MEMORY.get(SHORT, keys + element * 2));
            case FP8 -> Float8.reduced(MEMORY.get(ValueLayout.JAVA_BYTE, keys + element)) * 0x1p8f;
            case I8 -> {
                long scales = keys + (long) BLOCK * layout.rowSize();
                long scale = (long) dimension / KvLayout.GROUP * BLOCK + token;
                yield MEMORY.get(ValueLayout.JAVA_BYTE, keys + element)
                        * Float.float16ToFloat(MEMORY.get(SHORT, scales + scale * 2));
            }
            case I32 -> throw new IllegalArgumentException("KV type " + layout.type());
        };
    }
}
