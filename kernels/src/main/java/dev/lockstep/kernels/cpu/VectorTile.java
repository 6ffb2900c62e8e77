// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.cpu.MatmulOps.WeightSource;

/// A weight format of floats in Java: the layout of a tile, and the inner loops of one tile times
/// one token or four.
///
/// Four tokens give the same bits as one token four times; they only share the loads of weights.
interface VectorTile {

    long tileBytes(int columns);

    /// Packs a stored row into its place in a tile.
    ///
    /// @param row address of the stored row
    /// @param out address of the row's first element in the tile
    void pack(WeightSource source, long row, long out);

    /// Multiplies one token by the tile.
    ///
    /// @param x prepared activations of the token
    /// @param tile the packed tile
    /// @param out address of the token's first output of this tile
    /// @param rows outputs of this tile that exist
    void one(long x, int columns, long tile, long out, int rows);

    /// Multiplies four consecutive tokens by the tile.
    ///
    /// Short floats use this default: a loop over two tokens already exceeds what C2 inlines
    /// (NodeCountInliningCutoff), then vectors are boxed, and it was hardly faster.
    ///
    /// @param xStride bytes from token to token
    /// @param outStride bytes from token to token
    default void four(
            long x, long xStride, int columns, long tile, long out, long outStride, int rows) {
        for (int token = 0; token < 4; token++) {
            one(x + token * xStride, columns, tile, out + token * outStride, rows);
        }
    }
}
