// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.ActivationNames;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.Optional;

/// The branch that lets a layer's own embeddings into the residual, cut by their columns:
///
/// ```
/// out = projection(activation(gate(x)) · input)
/// ```
///
/// @param inputs this rank's columns of the layer in [LayerInputs]
public record LayerInputGate(
        Kernels kernels,
        Activation activation,
        Span inputs,
        Linear.ColumnParallel gate,
        Linear.RowParallel projection)
        implements ResidualBranch.Sublayer {

    /// Loads `per_layer_input_gate` and `per_layer_projection` of a layer.
    public static LayerInputGate load(Weights weights, int layer, String prefix) {
        int size = weights.config().details().layerInputs().orElseThrow().size();
        int hidden = weights.config().hiddenSize();
        Span own = weights.shard().columns(size);
        return new LayerInputGate(
                weights.kernels(),
                ActivationNames.of(weights.config()),
                own.plus(layer * size),
                Linear.ColumnParallel.load(
                        weights,
                        weights.linear(prefix + ".per_layer_input_gate", size, hidden).cut(own)),
                Linear.RowParallel.load(
                        weights,
                        weights.linear(prefix + ".per_layer_projection", hidden, size),
                        own));
    }

    @Override
    public Tensor forward(ForwardStep step) {
        ActivationBuffers activations = step.activations();
        int columns = inputs.size();
        Tensor both = activations.gateUp(step.tokens(), columns);
        Tensor product = activations.feedForward(step.tokens(), columns);
        gate.forward(step.x(), both.columns(0, columns));
        Tensor own = activations.layerInputs(step.tokens()).columns(inputs.from(), inputs.to());
        kernels.copy(own, both.columns(columns, 2 * columns));
        kernels.activateMultiply(activation, both, product);
        return projection.forward(product, activations);
    }

    @Override
    public Optional<Tensor> bias() {
        return projection.bias();
    }
}
