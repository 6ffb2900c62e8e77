// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The activation function of a feed-forward layer.
public enum Activation {
    /// `x / (1 + e^-x)`.
    SILU,
    /// `x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³)))`.
    GELU_TANH,
    /// `x · Φ(x)`, Φ the normal distribution.
    GELU_ERF,
    /// With a gate and an up projection only: `g / (1 + e^-1.702g) · (u + 1)`, where g is the gate,
    /// at most 7, and u the up projection between -7 and 7 (OpenAI 2025).
    CLAMPED_SWIGLU,
    /// `max(x, 0)²`.
    RELU_SQUARED;

    /// Returns the op's refusal of a function that needs an up projection beside its gate.
    public IllegalArgumentException withoutUp() {
        return new IllegalArgumentException(this + " needs a gate and an up projection");
    }
}
