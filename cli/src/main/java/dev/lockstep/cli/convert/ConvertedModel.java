// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.RowOrder;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.model.quant.RowFormat;
import java.util.List;
import java.util.Optional;

/// The model that a conversion writes, tensor by tensor.
interface ConvertedModel extends AutoCloseable {

    /// A tensor of the source.
    ///
    /// @param name its Hugging Face name
    /// @param order in which the target has the rows of the source
    /// @param added to every value
    /// @param format what it becomes; empty for one that is copied
    record Tensor(
            String name,
            WeightMatrix source,
            RowOrder order,
            float added,
            Optional<RowFormat> format) {}

    List<Tensor> tensors();

    /// Returns the number of tensors that an earlier conversion has written.
    int done();

    /// Writes the next tensor as the source has it.
    void copy(int tensor);

    /// Begins the next tensor.
    Blocks begin(int tensor);

    /// Receives the blocks of a tensor, row by row.
    interface Blocks {
        void add(byte[] blocks);

        /// Ends the tensor, of which every block was added.
        void end();
    }

    /// Completes the model.
    void finish();

    /// Returns what was written, for display.
    String summary();

    /// Returns lines about what the target does not have of the source.
    default List<String> notes() {
        return List.of();
    }

    @Override
    void close();
}
