// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import dev.lockstep.checkpoint.TensorType;

/// The exact elements of a row of a [StoredMatrix], decoded once for many products.
///
/// @param minima by column, the magnitude of the minimum term of a quantized element; 0 where there
///   is none
record StoredRow(TensorType type, double[] values, double[] minima) {

    static StoredRow of(StoredMatrix stored, int row) {
        double[] values = new double[stored.columns()];
        double[] minima = new double[stored.columns()];
        for (int column = 0; column < values.length; column++) {
            values[column] = stored.at(row, column);
            if (stored.type().multipliesInt8()) {
                StoredElement element = stored.element(row, column);
                minima[column] = Math.abs((double) element.min() * element.subMin());
            }
        }
        return new StoredRow(stored.type(), values, minima);
    }
}
