// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The memory that [Kernels#experts] computes in, which the caller has counted; all of the same R
/// rows in the type of activations, R at least the tokens of a step and the experts of a token.
/// More rows let an implementation compute more experts at a time. Its content has no meaning
/// before and after.
///
/// @param input `[R, H]`: the tokens of an expert
/// @param gateUp `[R, 2I]`
/// @param product `[R, I]`: `activation(gate) · up`
/// @param output `[R, H]`
public record ExpertScratch(Tensor input, Tensor gateUp, Tensor product, Tensor output) {

    public ExpertScratch {
        int hidden = input.columns();
        int columns = product.columns();
        gateUp.require("gateUp", input.type(), input.rows(), 2 * columns);
        product.require("product", input.type(), input.rows(), columns);
        output.require("output", input.type(), input.rows(), hidden);
    }

    public int rows() {
        return input.rows();
    }

    /// Throws unless this memory fits the experts of a layer and that many tokens.
    public void require(ExpertLayer layer, DType type, int tokens) {
        if (rows() < Math.max(tokens, layer.perToken())) {
            throw new IllegalArgumentException(
                    "scratch memory of %d rows for %d tokens of %d experts each"
                            .formatted(rows(), tokens, layer.perToken()));
        }
        input.require("input", type, rows(), layer.hiddenSize());
        product.require("product", type, rows(), layer.columns());
    }
}
