// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.model.ObservedProducts;
import dev.lockstep.model.quant.RowFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Rows of a tensor that have the same inputs: all of them, or those of one expert.
///
/// @param name by which the model that is calibrated knows their inputs
/// @param first of the rows, as the target has them
record TensorPart(String name, ConvertedModel.Tensor tensor, int first, int rows) {

    /// Returns the parts of a tensor, in the order of its rows.
    ///
    /// @param experts of a layer
    static List<TensorPart> of(ConvertedModel.Tensor tensor, int experts) {
        WeightMatrix matrix = tensor.source();
        List<String> names = new ArrayList<>(matrix.stackedNames());
        if (names.isEmpty() && experts > 0 && ObservedProducts.hasAllExperts(matrix.name())) {
            for (int i = 0; i < experts; i++) {
                names.add(ObservedProducts.ofExpert(matrix.name(), i));
            }
        }
        if (names.isEmpty() || matrix.rows() % names.size() != 0) {
            return List.of(new TensorPart(matrix.name(), tensor, 0, matrix.rows()));
        }
        int rows = matrix.rows() / names.size();
        List<TensorPart> parts = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
            parts.add(new TensorPart(names.get(i), tensor, i * rows, rows));
        }
        return parts;
    }

    int columns() {
        return tensor.source().columns();
    }

    Optional<RowFormat> format() {
        return tensor.format();
    }

    /// Returns the row of the source that is the i-th of this part.
    int sourceRow(int i) {
        return tensor.order().row(first + i);
    }
}
