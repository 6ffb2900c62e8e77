// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.Xielu;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.ActivationNames;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.Optional;

/// The feed-forward of a layer: the outputs of its first matrices and the inputs of the last are
/// cut over the ranks.
///
/// Names are those of tensors without `.weight`; a bias is loaded if the checkpoint has one. The
/// activation is the configuration's.
public sealed interface FeedForward extends ResidualBranch.Sublayer
        permits FeedForward.Gated,
                FeedForward.Plain,
                FeedForward.Learnt,
                DenseBesideExperts,
                MixtureOfExperts,
                ScaledFeedForward,
                SparseFeedForward {

    /// `down(activation(gate(x)) · up(x))` (Shazeer 2020).
    ///
    /// @param gateUp this rank's gate rows, then its up rows
    record Gated(
            Kernels kernels,
            Activation activation,
            Linear.ColumnParallel gateUp,
            Linear.RowParallel down)
            implements FeedForward {

        @Override
        public Tensor forward(ForwardStep step) {
            ActivationBuffers activations = step.activations();
            int columns = down.weight().columns();
            Tensor both = activations.gateUp(step.tokens(), columns);
            Tensor product = activations.feedForward(step.tokens(), columns);
            gateUp.forward(step.x(), both);
            kernels.activateMultiply(activation, both, product);
            return down.forward(product, activations);
        }

        @Override
        public Optional<Tensor> bias() {
            return down.bias();
        }
    }

    /// `down(activation(up(x)))`.
    record Plain(
            Kernels kernels,
            Activation activation,
            Linear.ColumnParallel up,
            Linear.RowParallel down)
            implements FeedForward {

        @Override
        public Tensor forward(ForwardStep step) {
            ActivationBuffers activations = step.activations();
            Tensor inner = activations.feedForward(step.tokens(), down.weight().columns());
            up.forward(step.x(), inner);
            kernels.activate(activation, inner, inner);
            return down.forward(inner, activations);
        }

        @Override
        public Optional<Tensor> bias() {
            return down.bias();
        }
    }

    /// `down(xielu(up(x)))`, with an activation that the layer has learnt.
    record Learnt(Kernels kernels, Xielu xielu, Linear.ColumnParallel up, Linear.RowParallel down)
            implements FeedForward {

        @Override
        public Tensor forward(ForwardStep step) {
            ActivationBuffers activations = step.activations();
            Tensor inner = activations.feedForward(step.tokens(), down.weight().columns());
            up.forward(step.x(), inner);
            kernels.xielu(xielu, inner);
            return down.forward(inner, activations);
        }

        @Override
        public Optional<Tensor> bias() {
            return down.bias();
        }
    }

    /// Loads `up_proj`, `down_proj` and the parameters of xIELU in `act_fn`: the two factors are
    /// stored before a softplus, the negative one less `beta`.
    static Learnt learnt(Weights weights, String mlp) {
        int width = weights.config().feedForwardSize();
        Span own = weights.shard().feedForward();
        OutputRows up = weights.linear(mlp + ".up_proj", width, weights.config().hiddenSize());
        float beta = weights.scalar(mlp + ".act_fn.beta");
        float positive = softplus(weights.scalar(mlp + ".act_fn.alpha_p"));
        float negative = beta + softplus(weights.scalar(mlp + ".act_fn.alpha_n"));
        float epsilon = weights.scalar(mlp + ".act_fn.eps");
        return new Learnt(
                weights.kernels(),
                new Xielu(positive, negative, beta, epsilon),
                Linear.ColumnParallel.load(weights, up.cut(own)),
                down(weights, mlp + ".down_proj"));
    }

    private static float softplus(float x) {
        return (float) Math.log1p(Math.exp(x));
    }

    /// Loads `gate_proj`, `up_proj` and `down_proj`.
    static Gated gated(Weights weights, String mlp) {
        return gated(weights, gateUp(weights, mlp), down(weights, mlp + ".down_proj"));
    }

    /// Loads `gate_proj`, `up_proj` and `down_proj` of a layer of a mixture of experts that has no
    /// experts.
    static Gated dense(Weights weights, String mlp) {
        return dense(weights, mlp + ".gate_proj", mlp + ".up_proj", mlp + ".down_proj");
    }

    /// Loads matrices of these names, of a layer of a mixture of experts that has no experts.
    static Gated dense(Weights weights, String gate, String up, String down) {
        int width = weights.config().details().experts().orElseThrow().dense().size();
        return gated(weights, gate, up, down, width, weights.shard().columns(width));
    }

    /// Loads `gate_proj`, `up_proj` and `down_proj` of another size than the model's.
    static Gated gated(Weights weights, String mlp, int width) {
        return gated(
                weights,
                mlp + ".gate_proj",
                mlp + ".up_proj",
                mlp + ".down_proj",
                width,
                weights.shard().columns(width));
    }

    /// Loads `gate_proj`, `up_proj` and `down_proj` of a layer whose feed-forward may have another
    /// size than those of others.
    static Gated ofLayer(Weights weights, int layer, String mlp) {
        int width = weights.config().feedForwardSize(layer);
        return width == weights.config().feedForwardSize()
                ? gated(weights, mlp)
                : gated(weights, mlp, width);
    }

    /// Loads a gated feed-forward from matrices of these names.
    static Gated gated(Weights weights, String gate, String up, String down) {
        int width = weights.config().feedForwardSize();
        return gated(weights, gate, up, down, width, weights.shard().feedForward());
    }

    private static Gated gated(
            Weights weights, String gate, String up, String down, int width, Span own) {
        int hidden = weights.config().hiddenSize();
        return gated(
                weights,
                Linear.ColumnParallel.load(
                        weights,
                        weights.linear(gate, width, hidden).cut(own),
                        weights.linear(up, width, hidden).cut(own)),
                Linear.RowParallel.load(weights, weights.linear(down, hidden, width), own));
    }

    /// Creates a gated feed-forward.
    static Gated gated(Weights weights, Linear.ColumnParallel gateUp, Linear.RowParallel down) {
        return new Gated(weights.kernels(), ActivationNames.of(weights.config()), gateUp, down);
    }

    /// Loads `gate_proj` and `up_proj`.
    static Linear.ColumnParallel gateUp(Weights weights, String mlp) {
        ModelConfig config = weights.config();
        int width = config.feedForwardSize();
        Span own = weights.shard().feedForward();
        return Linear.ColumnParallel.load(
                weights,
                weights.linear(mlp + ".gate_proj", width, config.hiddenSize()).cut(own),
                weights.linear(mlp + ".up_proj", width, config.hiddenSize()).cut(own));
    }

    /// Loads one matrix of all gate rows, then all up rows.
    static Linear.ColumnParallel mergedGateUp(Weights weights, String name) {
        ModelConfig config = weights.config();
        int width = config.feedForwardSize();
        Span own = weights.shard().feedForward();
        OutputRows merged = weights.linear(name, 2 * width, config.hiddenSize());
        return Linear.ColumnParallel.load(weights, merged.cut(own), merged.cut(own.plus(width)));
    }

    /// Loads one matrix of all up rows, then all gate rows.
    static Linear.ColumnParallel mergedUpGate(Weights weights, String name) {
        ModelConfig config = weights.config();
        int width = config.feedForwardSize();
        Span own = weights.shard().feedForward();
        OutputRows merged = weights.linear(name, 2 * width, config.hiddenSize());
        return Linear.ColumnParallel.load(weights, merged.cut(own.plus(width)), merged.cut(own));
    }

    /// Loads the last matrix.
    static Linear.RowParallel down(Weights weights, String name) {
        ModelConfig config = weights.config();
        return Linear.RowParallel.load(
                weights,
                weights.linear(name, config.hiddenSize(), config.feedForwardSize()),
                weights.shard().feedForward());
    }

    /// Loads two matrices with an activation between them.
    static Plain plain(Weights weights, String up, String down) {
        int width = weights.config().feedForwardSize();
        return plain(weights, up, down, width, weights.shard().feedForward());
    }

    /// Loads two matrices with an activation between them, of a layer of a mixture of experts that
    /// has no experts.
    static Plain densePlain(Weights weights, String up, String down) {
        int width = weights.config().details().experts().orElseThrow().dense().size();
        return plain(weights, up, down, width, weights.shard().columns(width));
    }

    private static Plain plain(Weights weights, String up, String down, int width, Span own) {
        int hidden = weights.config().hiddenSize();
        return plain(
                weights,
                weights.linear(up, width, hidden),
                weights.linear(down, hidden, width),
                own);
    }

    /// Cuts two matrices with an activation between them.
    static Plain plain(Weights weights, OutputRows up, OutputRows down) {
        return plain(weights, up, down, weights.shard().feedForward());
    }

    private static Plain plain(Weights weights, OutputRows up, OutputRows down, Span own) {
        return new Plain(
                weights.kernels(),
                ActivationNames.of(weights.config()),
                Linear.ColumnParallel.load(weights, up.cut(own)),
                Linear.RowParallel.load(weights, down, own));
    }
}
