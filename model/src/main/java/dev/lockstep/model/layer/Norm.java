// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import dev.lockstep.nccl.Communicator;

/// The norm of a residual branch's input, or of the head's; whole on every rank. All tensors are
/// `[T, H]`.
public sealed interface Norm {

    Kernels kernels();

    /// Computes `out = norm(x)`; `out` may be `x`.
    void apply(Tensor x, Tensor out);

    /// Computes `residual += x`, then `out = norm(residual)`; `out` may be `x`.
    void addThenApply(Tensor x, Tensor residual, Tensor out);

    /// Computes `residual += Σ x over ranks`, then `out = norm(residual)`.
    ///
    /// @param x in the communicator's memory; undefined afterwards
    default void sumThenApply(Communicator communicator, Tensor x, Tensor residual, Tensor out) {
        communicator.allReduceSum(x);
        addThenApply(x, residual, out);
    }

    /// RMSNorm (Zhang and Sennrich 2019): `x / √(mean(x²) + ε) · weight`.
    record Rms(Kernels kernels, Tensor weight, float epsilon) implements Norm {

        @Override
        public void apply(Tensor x, Tensor out) {
            kernels.rmsNorm(x, weight, epsilon, out);
        }

        @Override
        public void addThenApply(Tensor x, Tensor residual, Tensor out) {
            kernels.addRmsNorm(x, residual, weight, epsilon, out);
        }

        /// Runs sum, addition and norm as one collective.
        @Override
        public void sumThenApply(Communicator communicator, Tensor x, Tensor residual, Tensor out) {
            communicator.allReduceAddRmsNorm(x, residual, weight, epsilon, out);
        }
    }

    /// An RMSNorm of the residual that is multiplied before, after the previous branch was added.
    record Scaled(Rms norm, float factor) implements Norm {

        @Override
        public Kernels kernels() {
            return norm.kernels();
        }

        @Override
        public void apply(Tensor x, Tensor out) {
            norm.apply(x, out);
        }

        @Override
        public void addThenApply(Tensor x, Tensor residual, Tensor out) {
            kernels().add(residual, x);
            kernels().scale(residual, factor);
            norm.apply(residual, out);
        }
    }

    /// LayerNorm (Ba et al. 2016): `(x − mean(x)) / √(var(x) + ε) · weight + bias`.
    record Layer(Kernels kernels, Tensor weight, Tensor bias, float epsilon) implements Norm {

        @Override
        public void apply(Tensor x, Tensor out) {
            kernels.layerNorm(x, weight, bias, epsilon, out);
        }

        @Override
        public void addThenApply(Tensor x, Tensor residual, Tensor out) {
            kernels.add(residual, x);
            kernels.layerNorm(residual, weight, bias, epsilon, out);
        }
    }

    /// A norm of the residual itself (Vaswani et al. 2017): the residual becomes `norm(residual +
    /// x)`, which the next branch reads unchanged.
    record OfResidual(Layer norm) implements Norm {

        @Override
        public Kernels kernels() {
            return norm.kernels();
        }

        /// @param residual normed too
        @Override
        public void apply(Tensor residual, Tensor out) {
            norm.apply(residual, residual);
            kernels().copy(residual, out);
        }

        @Override
        public void addThenApply(Tensor x, Tensor residual, Tensor out) {
            kernels().add(residual, x);
            apply(residual, out);
        }
    }

    /// No norm: the branch reads the residual unchanged.
    record None(Kernels kernels) implements Norm {

        @Override
        public void apply(Tensor x, Tensor out) {
            kernels.copy(x, out);
        }

        @Override
        public void addThenApply(Tensor x, Tensor residual, Tensor out) {
            kernels.add(residual, x);
            kernels.copy(residual, out);
        }
    }

    /// The normed input of the previous branch, which this branch reads too: the two are parallel
    /// (Wang and Komatsuzaki 2021).
    record Shared(Kernels kernels) implements Norm {

        /// Refuses to be the first: there is no previous branch.
        @Override
        public void apply(Tensor x, Tensor out) {
            throw new IllegalStateException("the first branch of a model has no norm to share");
        }

        /// Computes `residual += x`; `out` keeps the previous branch's input.
        @Override
        public void addThenApply(Tensor x, Tensor residual, Tensor out) {
            kernels.add(residual, x);
        }
    }

    /// A LayerNorm of the residual before the previous branch is added to it: this branch is
    /// parallel to that one, with a norm of its own (Black et al. 2022).
    record Parallel(Layer norm) implements Norm {

        @Override
        public Kernels kernels() {
            return norm.kernels();
        }

        /// Refuses to be the first: there is no previous branch.
        @Override
        public void apply(Tensor x, Tensor out) {
            throw new IllegalStateException("the first branch of a model is parallel to none");
        }

        /// Computes `out = norm(residual)`, then `residual += x`; `out` must not be `x`.
        @Override
        public void addThenApply(Tensor x, Tensor residual, Tensor out) {
            if (out.pointer().equals(x.pointer())) {
                throw new IllegalArgumentException("the output is the sum that is added later");
            }
            norm.apply(residual, out);
            norm.kernels().add(residual, x);
        }
    }

    /// Loads the norm of a branch that is parallel to the previous one and has its own.
    static Parallel parallel(Weights weights, String name) {
        return new Parallel(layer(weights, name));
    }

    /// Returns a LayerNorm without weight and bias.
    static Layer layerWithoutWeights(Weights weights) {
        int size = weights.config().hiddenSize();
        return layer(weights, weights.ones(size), weights.zeros(size));
    }

    /// Returns the norm of a branch that is parallel to the previous one.
    static Shared shared(Weights weights) {
        return new Shared(weights.kernels());
    }

    static Rms rms(Weights weights, String name) {
        return rms(weights, name, 0);
    }

    /// Loads an RMSNorm whose factor is the stored weight plus `added`.
    static Rms rms(Weights weights, String name, float added) {
        int size = weights.config().hiddenSize();
        return new Rms(
                weights.kernels(),
                weights.vector(name + ".weight", size, new Span(0, size), added),
                (float) weights.config().normEpsilon());
    }

    static Layer layer(Weights weights, String name) {
        return layer(weights, name, 0);
    }

    /// Loads a LayerNorm whose factor is the stored weight plus `added`.
    static Layer layer(Weights weights, String name, float added) {
        int size = weights.config().hiddenSize();
        return layer(weights, name, added, weights.vector(name + ".bias", size));
    }

    /// Loads a LayerNorm of the residual itself.
    static OfResidual ofResidual(Weights weights, String name) {
        return new OfResidual(layer(weights, name));
    }

    /// Loads a LayerNorm that has no bias.
    static Layer layerWithoutBias(Weights weights, String name) {
        return layer(weights, name, 0, weights.zeros(weights.config().hiddenSize()));
    }

    private static Layer layer(Weights weights, String name, float added, Tensor bias) {
        int size = weights.config().hiddenSize();
        return layer(
                weights, weights.vector(name + ".weight", size, new Span(0, size), added), bias);
    }

    /// Returns a LayerNorm of these factors and biases.
    static Layer layer(Weights weights, Tensor factors, Tensor bias) {
        return new Layer(weights.kernels(), factors, bias, (float) weights.config().normEpsilon());
    }

    static None none(Weights weights) {
        return new None(weights.kernels());
    }
}
