// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.StateConfig;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Span;
import dev.lockstep.model.StateShard;
import dev.lockstep.model.Weights;
import java.util.Optional;

/// A gated short convolution (Liquid AI 2025), cut by channels:
///
/// ```
/// b, c, v = input(x)
/// out     = output(c · convolution(b · v))
/// ```
///
/// @param number of the layer among those that keep a state
/// @param input this rank's rows of b, then of c, then of v
public record ShortConvolution(
        Kernels kernels,
        StateShard shard,
        int number,
        PackedWeight input,
        Optional<Tensor> inputBias,
        Tensor taps,
        Optional<Tensor> tapBias,
        Linear.RowParallel output)
        implements StateLayer {

    @Override
    public Tensor forward(ForwardStep step) {
        ActivationBuffers activations = step.activations();
        int columns = shard.channels();
        Tensor all = activations.mixer(step.tokens()).columns(0, 3 * columns);
        Tensor values = all.columns(2 * columns, 3 * columns);
        Tensor inputs = shard.inputs(activations.states(), number);

        kernels.matmul(step.x(), input, all);
        inputBias.ifPresent(bias -> kernels.add(all, bias));
        kernels.multiply(values, all.columns(0, columns), false);
        for (Rows rows : Rows.of(step.batch())) {
            kernels.convolve(rows.batch(), inputs, taps, tapBias, rows.of(values));
        }
        kernels.multiply(values, all.columns(columns, 2 * columns), false);
        return output.forward(values, activations);
    }

    @Override
    public Optional<Tensor> bias() {
        return output.bias();
    }

    /// Loads `in_proj`, `conv` and `out_proj`.
    ///
    /// @param prefix the prefix of the layer's tensors
    public static ShortConvolution load(Weights weights, int layer, String prefix) {
        StateShard shard = StateShard.of(weights.config(), weights.shard()).orElseThrow();
        if (!(shard.config() instanceof StateConfig.ShortConvolution config)) {
            throw new IllegalArgumentException("layers with a state of " + shard.config());
        }
        int hidden = weights.config().hiddenSize();
        int channels = config.channels();
        Span own = shard.values();
        OutputRows all = weights.linear(prefix + ".in_proj", 3 * channels, hidden);
        OutputRows[] parts = {
            all.cut(own), all.cut(own.plus(channels)), all.cut(own.plus(2 * channels))
        };
        return new ShortConvolution(
                weights.kernels(),
                shard,
                StateLayer.number(weights, layer),
                weights.packRows(parts),
                weights.bias(parts),
                weights.taps(prefix + ".conv.weight", channels, config.taps(), own),
                weights.has(prefix + ".conv.bias")
                        ? Optional.of(weights.vector(prefix + ".conv.bias", channels, own, 0))
                        : Optional.empty(),
                Linear.RowParallel.load(
                        weights, weights.linear(prefix + ".out_proj", hidden, channels), own));
    }
}
