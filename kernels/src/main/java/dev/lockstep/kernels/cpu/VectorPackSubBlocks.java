// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;

import dev.lockstep.kernels.cpu.MatmulOps.WeightSource;

/// The packing of one stored row of integers in a [VectorFormat], one sub-block of 32 columns at a
/// time.
final class VectorPackSubBlocks {
    private static final long STEP_BYTES = VectorCodes.STEP_BYTES;

    private VectorPackSubBlocks() {}

    /// @param out address of the row's first four bytes in its tile; the next ones are 64 bytes
    ///   behind
    static void pack(WeightSource source, long row, long out, VectorFormat format) {
        int blocks = VectorFormat.blocks(source.columns());
        int first = VectorFormat.blocks(source.skipped());
        var subBlock = new StoredSubBlock(source.type());
        for (int block = 0; block < blocks; block++) {
            subBlock.read(row, first + block);
            long at = out + block * format.stride();
            switch (format.scales()) {
                case VectorBlockScales _ -> SEGMENT.set(FLOAT, at, subBlock.factor());
                case VectorMinimumScales _ -> {
                    SEGMENT.set(FLOAT, at, subBlock.scale(0));
                    SEGMENT.set(FLOAT, at + STEP_BYTES, subBlock.minimum(0));
                }
                case VectorHalfScales halves -> {
                    putHalves(subBlock, at);
                    if (halves.hasMinimum()) {
                        SEGMENT.set(FLOAT, at + 2 * STEP_BYTES, subBlock.minScale());
                    }
                }
            }
            putCodes(subBlock, format, at + format.scales().blockBytes());
        }
    }

    private static void putHalves(StoredSubBlock subBlock, long out) {
        int first = (subBlock.subScale(0) & 255) | (subBlock.subMin(0) << 8);
        int second = (subBlock.subScale(1) & 255) | (subBlock.subMin(1) << 8);
        SEGMENT.set(INT, out, first | (second << 16));
        SEGMENT.set(FLOAT, out + STEP_BYTES, subBlock.factor());
    }

    private static void putCodes(StoredSubBlock subBlock, VectorFormat format, long out) {
        int bits = format.codes().bits();
        int column = 0;
        for (int i = 0; i < bits; i++) {
            int codes = 0;
            for (int bit = 0; bit < 16; bit += bits) {
                codes |= (subBlock.code(column) + format.scales().added()) << bit;
                codes |=
                        (subBlock.code(column + VectorCodes.HALF) + format.scales().added())
                                << (16 + bit);
                column++;
            }
            SEGMENT.set(INT, out + i * STEP_BYTES, codes);
        }
    }
}
