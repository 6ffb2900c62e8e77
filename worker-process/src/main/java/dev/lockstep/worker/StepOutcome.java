package dev.lockstep.worker;

import java.util.List;

/// What a finished step tells the scheduler; only the rank that samples fills `sampled`.
record StepOutcome(long epoch, long number, List<Sampled> sampled, long computeNanos) {
    StepOutcome {
        sampled = List.copyOf(sampled);
    }

    /// @param topIds most likely first; empty unless asked for
    record Sampled(int slot, int id, float logprob, int[] topIds, float[] topLogprobs) {}
}
