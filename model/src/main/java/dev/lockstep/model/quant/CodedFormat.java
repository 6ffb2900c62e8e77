// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

/// Blocks of a scale and then codes, which a file may store apart.
public sealed interface CodedFormat extends BlockFormat
        permits GroupFormat, SignedRowFormat, FloatFormat {

    /// Returns the bytes of a scale.
    int scaleBytes();

    /// Returns the bytes of a block's codes.
    int codeBytes();

    @Override
    default int blockBytes() {
        return scaleBytes() + codeBytes();
    }
}
