// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import java.util.Optional;

/// What rows with the same inputs are scaled by.
///
/// @param columns factors of their columns
/// @param rows divisors of the rows of the source, from the first of the part on
/// @param offset added to their values before they are divided, and subtracted afterwards
record Factors(Optional<float[]> columns, Optional<float[]> rows, float offset) {
    static final Factors NONE = new Factors(Optional.empty(), Optional.empty(), 0);

    boolean isPresent() {
        return columns.isPresent() || rows.isPresent();
    }

    /// Scales rows, one after the other. The only row of a matrix may be stored as a vector, whose
    /// width is 1: its values are scaled by the factors of all columns.
    ///
    /// @param numbers of the rows, from the first of the part on
    void apply(float[] values, int[] numbers, int width) {
        for (int i = 0; i < values.length; i++) {
            if (columns.isPresent()) {
                values[i] *= columns.get()[i % columns.get().length];
            }
            if (rows.isPresent()) {
                values[i] = (values[i] + offset) / rows.get()[numbers[i / width]] - offset;
            }
        }
    }
}
