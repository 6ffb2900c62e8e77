package dev.lockstep.worker;

import java.util.List;

/// What a finished step tells the scheduler; only the rank that samples fills `sampled` and
/// `outputs`.
record StepOutcome(
        long epoch, long number, List<Sampled> sampled, List<Outputs> outputs, long computeNanos) {
    StepOutcome {
        sampled = List.copyOf(sampled);
        outputs = List.copyOf(outputs);
    }

    /// @param topIds most likely first; empty unless asked for
    record Sampled(int slot, int id, float logprob, int[] topIds, float[] topLogprobs) {}

    /// Outputs of consecutive positions of a slot.
    ///
    /// @param position the first
    /// @param nextTokens prompt tokens from `position + 1` on, with their log-probabilities
    /// @param hiddenStates `hiddenSize` values a position, or none
    /// @param pooled `hiddenSize` values where the prompt ends here and one vector was asked for
    record Outputs(
            int slot,
            int position,
            List<Sampled> nextTokens,
            int hiddenSize,
            float[] hiddenStates,
            float[] pooled) {
        Outputs {
            nextTokens = List.copyOf(nextTokens);
        }
    }
}
