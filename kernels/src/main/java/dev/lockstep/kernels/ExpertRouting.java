package dev.lockstep.kernels;

/// Which tokens of a step go to which expert; made by [Kernels#route], good until the next.
public interface ExpertRouting {
    int experts();

    /// The tokens of one expert, ascending: `[1, n]` I32, n may be 0.
    Tensor rows(int expert);

    /// Their weights, in the same order: `[1, n]` F32.
    Tensor weights(int expert);
}
