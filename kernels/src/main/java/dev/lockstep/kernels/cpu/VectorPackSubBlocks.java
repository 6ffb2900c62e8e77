// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorInt8.BLOCK;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;

import dev.lockstep.kernels.cpu.MatmulOps.WeightSource;

/// The packing of one stored row, one sub-block of 32 columns at a time, for tiles that need more
/// than a copy of the stored blocks.
///
/// `out` is the address of the row's first four bytes in its tile; consecutive groups of four bytes
/// of a row are 64 bytes apart.
final class VectorPackSubBlocks {
    private static final long STEP_BYTES = 64;

    private VectorPackSubBlocks() {}

    static void bytesAndScale(WeightSource source, long row, long out) {
        long scales = out + blocks(source) * VectorQ8Tile.BLOCK_BYTES;
        var subBlock = new StoredSubBlock(source.type());
        for (int block = 0; block < blocks(source); block++) {
            subBlock.read(row, block);
            putBytes(subBlock, 0, out + block * VectorQ8Tile.BLOCK_BYTES);
            SEGMENT.set(FLOAT, scales + block * STEP_BYTES, subBlock.factor());
        }
    }

    /// @param offset that the tile adds to the stored codes
    static void bytesAndMinimum(WeightSource source, long row, long out, int offset) {
        long scales = out + blocks(source) * VectorQ8Tile.BLOCK_BYTES;
        var subBlock = new StoredSubBlock(source.type());
        for (int block = 0; block < blocks(source); block++) {
            subBlock.read(row, first(source) + block);
            putBytes(subBlock, offset, out + block * VectorQ8Tile.BLOCK_BYTES);
            putScale(subBlock, scales + block * VectorQ8MinimumTile.SCALES_BYTES);
        }
    }

    static void nibblesAndScale(WeightSource source, long row, long out) {
        long scales = out + blocks(source) * VectorQ4Tile.BLOCK_BYTES;
        var subBlock = new StoredSubBlock(source.type());
        for (int block = 0; block < blocks(source); block++) {
            subBlock.read(row, block);
            putNibbles(subBlock, VectorQ40Tile.OFFSET, out + block * VectorQ4Tile.BLOCK_BYTES);
            SEGMENT.set(FLOAT, scales + block * VectorQ40Tile.SCALES_BYTES, subBlock.factor());
        }
    }

    static void nibblesAndMinimum(WeightSource source, long row, long out) {
        long scales = out + blocks(source) * VectorQ4Tile.BLOCK_BYTES;
        var subBlock = new StoredSubBlock(source.type());
        for (int block = 0; block < blocks(source); block++) {
            subBlock.read(row, first(source) + block);
            putNibbles(subBlock, 0, out + block * VectorQ4Tile.BLOCK_BYTES);
            putScale(subBlock, scales + block * VectorQ4Tile.SCALES_BYTES);
        }
    }

    static void byteHalves(WeightSource source, long row, long out) {
        long scales = out + blocks(source) * VectorQ8Tile.BLOCK_BYTES;
        var subBlock = new StoredSubBlock(source.type());
        for (int block = 0; block < blocks(source); block++) {
            subBlock.read(row, first(source) + block);
            putBytes(subBlock, 0, out + block * VectorQ8Tile.BLOCK_BYTES);
            putHalves(subBlock, scales + block * VectorHalves8Tile.SCALES_BYTES);
        }
    }

    static void nibbleHalves(WeightSource source, long row, long out, VectorHalves4Tile tile) {
        long scales = out + blocks(source) * VectorQ4Tile.BLOCK_BYTES;
        var subBlock = new StoredSubBlock(source.type());
        for (int block = 0; block < blocks(source); block++) {
            subBlock.read(row, first(source) + block);
            putNibbles(subBlock, tile.offset(), out + block * VectorQ4Tile.BLOCK_BYTES);
            long own = scales + block * tile.scalesBytes();
            putHalves(subBlock, own);
            if (tile.hasMinimum()) {
                SEGMENT.set(FLOAT, own + 2 * STEP_BYTES, subBlock.minScale());
            }
        }
    }

    private static int blocks(WeightSource source) {
        return source.columns() / BLOCK;
    }

    private static int first(WeightSource source) {
        return source.skipped() / BLOCK;
    }

    /// Writes columns 2s, 2s + 1, 2s + 16, 2s + 17 in step s.
    private static void putBytes(StoredSubBlock subBlock, int offset, long out) {
        for (int step = 0; step < 8; step++) {
            int first = two(subBlock, offset, 2 * step);
            int second = two(subBlock, offset, 2 * step + BLOCK / 2);
            SEGMENT.set(INT, out + step * STEP_BYTES, first | (second << 16));
        }
    }

    private static int two(StoredSubBlock subBlock, int offset, int column) {
        return ((subBlock.value(column) - offset) & 255)
                | (((subBlock.value(column + 1) - offset) & 255) << 8);
    }

    /// Writes columns 4s … 4s + 3 to the low and 4s + 16 … 4s + 19 to the high half of step s.
    private static void putNibbles(StoredSubBlock subBlock, int offset, long out) {
        for (int step = 0; step < 4; step++) {
            int eight = 0;
            for (int i = 0; i < 4; i++) {
                eight |= (subBlock.value(4 * step + i) + offset) << (4 * i);
                eight |= (subBlock.value(4 * step + i + BLOCK / 2) + offset) << (4 * i + 16);
            }
            SEGMENT.set(INT, out + step * STEP_BYTES, eight);
        }
    }

    private static void putScale(StoredSubBlock subBlock, long out) {
        SEGMENT.set(FLOAT, out, subBlock.scale(0));
        SEGMENT.set(FLOAT, out + STEP_BYTES, subBlock.minimum(0));
    }

    private static void putHalves(StoredSubBlock subBlock, long out) {
        int first = (subBlock.subScale(0) & 255) | (subBlock.subMin(0) << 8);
        int second = (subBlock.subScale(1) & 255) | (subBlock.subMin(1) << 8);
        SEGMENT.set(INT, out, first | (second << 16));
        SEGMENT.set(FLOAT, out + STEP_BYTES, subBlock.factor());
    }
}
