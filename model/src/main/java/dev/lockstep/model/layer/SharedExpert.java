// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.ActivationNames;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.Optional;

/// The experts of a layer that every token uses (Dai et al. 2024), as one feed-forward that is cut
/// over the ranks.
///
/// @param gateUp this rank's gate rows, then its up rows; the up rows alone if there is no gate
/// @param gate one row: what its logistic function lets through of the output; whole on every rank
public record SharedExpert(
        Kernels kernels,
        Activation activation,
        Linear.ColumnParallel gateUp,
        PackedWeight down,
        Optional<PackedWeight> gate) {

    /// Returns whether the configuration has experts that every token uses.
    public static boolean isConfigured(Weights weights) {
        return size(weights.config()) > 0;
    }

    /// Loads `gate_proj`, `up_proj` and `down_proj`.
    public static SharedExpert load(Weights weights, String mlp) {
        ModelConfig config = weights.config();
        int width = size(config);
        Span own = weights.shard().columns(width);
        return of(
                weights,
                Linear.ColumnParallel.load(
                        weights,
                        weights.linear(mlp + ".gate_proj", width, config.hiddenSize()).cut(own),
                        weights.linear(mlp + ".up_proj", width, config.hiddenSize()).cut(own)),
                mlp + ".down_proj");
    }

    /// Loads `shared_expert` and the gate of its output, `shared_expert_gate`.
    public static SharedExpert gated(Weights weights, String mlp) {
        SharedExpert plain = load(weights, mlp + ".shared_expert");
        WeightMatrix gate =
                weights.part(
                        mlp + ".shared_expert_gate.weight", 1, 0, 1, weights.config().hiddenSize());
        return new SharedExpert(
                plain.kernels,
                plain.activation,
                plain.gateUp,
                plain.down,
                Optional.of(weights.packRows(OutputRows.of(gate))));
    }

    /// Loads one matrix of all gate rows, then all up rows, and the last matrix.
    public static SharedExpert merged(Weights weights, String gateUp, String down) {
        int width = size(weights.config());
        Span own = weights.shard().columns(width);
        OutputRows both = weights.linear(gateUp, 2 * width, weights.config().hiddenSize());
        return of(
                weights,
                Linear.ColumnParallel.load(weights, both.cut(own), both.cut(own.plus(width))),
                down);
    }

    /// Loads `up_proj` and `down_proj`, with the activation between them.
    public static SharedExpert ungated(Weights weights, String mlp) {
        int width = size(weights.config());
        OutputRows up = weights.linear(mlp + ".up_proj", width, weights.config().hiddenSize());
        return of(
                weights,
                Linear.ColumnParallel.load(weights, up.cut(weights.shard().columns(width))),
                mlp + ".down_proj");
    }

    private static SharedExpert of(Weights weights, Linear.ColumnParallel gateUp, String down) {
        int width = size(weights.config());
        OutputRows rows =
                OutputRows.of(
                        weights.matrix(down + ".weight", weights.config().hiddenSize(), width));
        return new SharedExpert(
                weights.kernels(),
                ActivationNames.of(weights.config()),
                gateUp,
                weights.packColumns(rows, weights.shard().columns(width)),
                Optional.empty());
    }

    /// Adds the output for `step.x()` to this rank's partial sum, when the experts that tokens
    /// chose are computed.
    void addTo(Tensor sum, ForwardStep step) {
        ActivationBuffers activations = step.activations();
        int rows = gateUp.weight().rows();
        Tensor both = activations.gateUp(step.tokens(), down.columns()).columns(0, rows);
        Tensor product = activations.feedForward(step.tokens(), down.columns());
        Tensor output = activations.expertOutput(step.tokens());
        gateUp.forward(step.x(), both);
        if (rows == 2 * down.columns()) {
            kernels.activateMultiply(activation, both, product);
        } else {
            kernels.activate(activation, both, product);
        }
        kernels.matmul(product, down, output);
        if (gate.isEmpty()) {
            kernels.add(sum, output);
            return;
        }
        Tensor logits = activations.routerLogits(step.tokens()).columns(0, 1);
        kernels.matmul(step.x(), gate.get(), logits);
        kernels.addGated(sum, output, logits);
    }

    private static int size(ModelConfig config) {
        return config.details().experts().orElseThrow().sharedSize();
    }
}
