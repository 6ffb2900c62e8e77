// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import dev.lockstep.checkpoint.TensorType;

/// How the rows of a matrix are stored.
public sealed interface RowFormat permits BlockFormat, PlainFormat {

    /// Returns the format of a type.
    ///
    /// @throws IllegalArgumentException for types that are not written
    static RowFormat of(TensorType type) {
        return switch (type) {
            case F32, F16, BF16 -> new PlainFormat(type);
            default -> BlockFormat.of(type);
        };
    }
}
