package dev.lockstep.nccl;

/// How a rank waits for its peers inside a collective.
public enum Waiting {
    /// Spin about 50 µs, then sleep until woken: every rank has a core of its own.
    SPIN,

    /// Sleep at once: with more ranks than cores a spinning rank burns the time its peer needs.
    BLOCK
}
