// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import dev.lockstep.checkpoint.TensorType;
import java.nio.ByteBuffer;

/// How the columns of a block share scales, and how a block is stored.
public sealed interface BlockFormat extends RowFormat
        permits SimpleFormat, SuperFormat, CodedFormat {

    /// Returns the number of columns of a block.
    int columns();

    /// Returns the bytes of a stored block.
    int blockBytes();

    /// Fits the grid of the block that begins at column `from`.
    ///
    /// @param row the weights of a row
    /// @param importance of the error of each column of the row, positive
    QuantizedBlock fit(float[] row, int from, float[] importance);

    /// Writes a block whose codes are chosen, little-endian.
    void write(QuantizedBlock block, ByteBuffer out);

    /// Returns the format of a type.
    ///
    /// @throws IllegalArgumentException for types that are not written
    static BlockFormat of(TensorType type) {
        return switch (type) {
            case Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 -> new SimpleFormat(type);
            case Q2_K, Q3_K, Q4_K, Q5_K, Q6_K -> new SuperFormat(type);
            default -> throw new IllegalArgumentException(type + " is not written");
        };
    }
}
