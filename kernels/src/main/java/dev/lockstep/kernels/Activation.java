package dev.lockstep.kernels;

/// What a feed-forward puts between its matrices.
public enum Activation {
    /// `x / (1 + e^-x)`.
    SILU,
    /// `x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³)))`.
    GELU_TANH,
    /// `x · Φ(x)`, Φ the normal distribution.
    GELU_ERF
}
