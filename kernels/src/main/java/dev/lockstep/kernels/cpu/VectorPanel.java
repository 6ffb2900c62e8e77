// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

/// Decoded weights of two vectors of rows and up to [#BLOCKS] blocks, which stay in the first-level
/// cache while all tokens are multiplied by them, and their products with some tokens. One for each
/// thread.
final class VectorPanel {
    static final int BLOCKS = 8;
    static final int VECTORS = 2;

    /// Tokens that are multiplied at once: with two vectors of rows, and three for operands, their
    /// sums fill sixteen registers.
    static final int TOKENS = 6;

    /// Lanes from column to column.
    static final int COLUMN = VECTORS * STEP;

    /// Products from token to token.
    static final int PRODUCTS = VECTORS * 2 * STEP;

    /// `[block][32][2][STEP]`: codes times their units.
    final float[] codes = new float[BLOCKS * VectorCodes.BLOCK * COLUMN];

    /// `[block][16][2][STEP]`: codes of column c in the low and of column c + 16 in the high half.
    final int[] pairs = new int[BLOCKS * VectorCodes.HALF * COLUMN];

    /// `[block][2][STEP]`: what multiplies the sums of a block, and of each half before if halves
    /// have scales.
    final float[] scales = new float[BLOCKS * COLUMN];

    final float[] firstScales = new float[BLOCKS * COLUMN];
    final float[] secondScales = new float[BLOCKS * COLUMN];

    /// The same of minimums, which multiply sums of inputs.
    final float[] minimums = new float[BLOCKS * COLUMN];

    final float[] firstMinimums = new float[BLOCKS * COLUMN];
    final float[] secondMinimums = new float[BLOCKS * COLUMN];

    /// `[2][token][2][STEP]`: sums of pairs of a block, of some or of all columns.
    final int[] pairSums = new int[2 * TOKENS * COLUMN];

    /// `[token][2][2][STEP]`: the sums of codes times inputs of each half of a block.
    final float[] products = new float[TOKENS * PRODUCTS];

    /// `[token][2][STEP]`: the outputs.
    final float[] sums = new float[TOKENS * COLUMN];

    /// Returns where a column's vector begins in [#codes].
    static int place(int block, int column, int vector) {
        return (block * VectorCodes.BLOCK + column) * COLUMN + vector * STEP;
    }

    /// Returns where a column's vector begins in [#pairs].
    static int pair(int block, int column, int vector) {
        return (block * VectorCodes.HALF + column) * COLUMN + vector * STEP;
    }

    /// Returns where a block's vector begins in [#scales] and the like.
    static int place(int block, int vector) {
        return block * COLUMN + vector * STEP;
    }

    /// Multiplies all blocks by some tokens and adds to [#sums].
    ///
    /// @param input of the first token and the first block, in arrays of `inputs`, where tokens are
    ///   `blocks` apart
    void multiply(VectorFormat format, int blocks, VectorInputs inputs, int input) {
        int pairsOfSum = format.codes().pairsOfSum();
        for (int block = 0; block < blocks; block++) {
            int at = input + block;
            if (pairsOfSum == VectorCodes.HALF) {
                VectorPairPanel.multiply(this, block, inputs, at, blocks);
                format.scales().addPairs(this, block, inputs, at, blocks);
                continue;
            }
            if (pairsOfSum == 0) {
                VectorFloatPanel.multiply(this, block, inputs, at, blocks);
            } else {
                VectorPairPanel.multiplyHalves(this, block, inputs, at, blocks);
            }
            format.scales().add(this, block, inputs, at, blocks);
        }
    }
}
