package dev.lockstep.kernels.cpu;

/// One weight format's inner loops in Java: one tile times one token or four.
///
/// Four tokens give the bits of one four times; they only share the loading of weights.
interface VectorTile {

    /// One token times the tile.
    ///
    /// @param x prepared activations of the token
    /// @param tile the packed tile
    /// @param out address of the token's first output of this tile
    /// @param rows outputs of this tile that exist
    void one(long x, int columns, long tile, long out, int rows);

    /// Four consecutive tokens times the tile.
    ///
    /// Quantized formats stay with this: a loop over two tokens already exceeds what C2 is ready to
    /// inline (NodeCountInliningCutoff), then vectors are boxed, and it was hardly faster.
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
