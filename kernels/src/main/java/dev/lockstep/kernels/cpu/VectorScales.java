// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

/// The scales of blocks, which precede the codes of each block in a tile: what becomes of the sums
/// of codes times inputs. The order of operations is that of [MatmulOps].
sealed interface VectorScales permits VectorBlockScales, VectorMinimumScales, VectorHalfScales {
    int MOST_VECTORS = 3;

    /// Returns the vectors before the codes of a block, for all rows of a tile in it.
    int vectors();

    /// Returns their bytes, for all rows of a tile.
    default long blockBytes() {
        return vectors() * VectorCodes.STEP_BYTES;
    }

    /// Returns what the packer adds to codes, so that they are unsigned.
    int added();

    /// Returns what decoded codes are smaller by than packed ones: what the packer adds, unless
    /// [#addPairs] makes up for it.
    default int subtracted() {
        return added();
    }

    /// Adds the products of blocks with one token, in their order.
    ///
    /// @param scales `[block][vectors][STEP]`
    /// @param products `[block][2][STEP]`: the sums of codes times inputs of each half
    /// @param input of the first block, in arrays of `inputs`
    /// @param sums of STEP rows, to which the products are added
    void add(
            int[] scales,
            int blocks,
            float[] products,
            VectorInputs inputs,
            int input,
            float[] sums);

    /// Decodes the scales of blocks to vector `vector` of a panel.
    ///
    /// @param scales address of the first block, of some rows
    /// @param stride bytes from block to block
    void decode(long scales, long stride, int blocks, VectorPanel panel, int vector);

    /// Adds the products of a block of a panel, with some tokens, to the panel's sums.
    ///
    /// @param input of the first token and this block, in arrays of `inputs`
    /// @param step from token to token
    void add(VectorPanel panel, int block, VectorInputs inputs, int input, int step);

    /// The same from the panel's sums of pairs, of all columns.
    void addPairs(VectorPanel panel, int block, VectorInputs inputs, int input, int step);
}
