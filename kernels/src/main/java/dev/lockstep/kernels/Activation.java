// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The activation function of a feed-forward layer.
public enum Activation {
    /// `x / (1 + e^-x)`.
    SILU,
    /// `x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³)))`.
    GELU_TANH,
    /// `x · Φ(x)`, Φ the normal distribution.
    GELU_ERF
}
