// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

/// How the codes of a block of 32 columns lie in a tile: ints of 16 rows each. The columns of the
/// first half of a block are in the low halves of the ints, those of the second half at the same
/// bits of the high halves, the first column in the lowest bits.
///
/// A code stays at its bits while it is multiplied: it is read as code · [#unit], and the inputs
/// are divided by the same power of two, which changes no product. Products of integers below 2^24
/// are exact as f32, and so are sums of them in any order.
///
/// C2 compiles one method for each width, which stays below the size up to which it inlines. It
/// hoists no check of an address whose step is a variable, which is cheap; with a constant step it
/// computes bounds before each of the inner loops, at the cost of a block.
interface VectorCodes {
    int BLOCK = VectorInt8.BLOCK;
    int HALF = BLOCK / 2;

    /// Bytes from int to int of a row.
    long STEP_BYTES = 64;

    /// Returns the bits of a code.
    int bits();

    /// Returns the power of two that multiplies the code of a column, which begins again with the
    /// second half.
    default float unit(int column) {
        return 1;
    }

    /// Returns the bytes of a block, for all rows of a tile.
    default long blockBytes() {
        return STEP_BYTES * bits();
    }

    /// Returns whether [#multiply] reads pairs of inputs, else floats divided by the units.
    boolean multipliesPairs();

    /// Returns how many columns of each half a [VectorPanel] adds in 16 bits; 0 if it holds floats.
    int pairsOfSum();

    /// Writes the sums of codes times inputs of each half of each block, `[block][2][STEP]`, and
    /// copies the scales: memory is read in one stream, or the processor's prefetchers lose it.
    ///
    /// @param from address of the scales of some rows, which precede the codes of the first block
    /// @param stride bytes from block to block
    /// @param step [#STEP_BYTES]
    /// @param scaleVectors vectors of scales of a block
    /// @param input of the first block, in arrays of `inputs`
    /// @param scales `[block][scaleVectors][STEP]`
    void multiply(
            long from,
            long stride,
            long step,
            int blocks,
            int scaleVectors,
            VectorInputs inputs,
            int input,
            float[] products,
            int[] scales);

    /// Decodes blocks to vector `vector` of a panel.
    ///
    /// @param subtracted from the codes
    void decode(
            long codes,
            long stride,
            long step,
            int blocks,
            int subtracted,
            VectorPanel panel,
            int vector);
}
