// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// What a worker reports of a completed step; only the rank that samples fills the lists.
///
/// @param checksum of the residual after the last layer, in the steps that report one
/// @param waitedNanos the part of `computeNanos` that this rank waited for others;
///   [dev.lockstep.nccl.Communicator#UNKNOWN] where a device runs the collectives
record StepOutcome(
        long epoch,
        long number,
        List<Refused> refused,
        List<Sampled> sampled,
        List<Outputs> outputs,
        OptionalInt checksum,
        long computeNanos,
        long waitedNanos) {
    StepOutcome {
        refused = List.copyOf(refused);
        sampled = List.copyOf(sampled);
        outputs = List.copyOf(outputs);
    }

    /// A slot of the step that is refused.
    record Refused(int slot, String reason) {}

    /// A sampled token.
    ///
    /// @param logprobs empty unless the sequence requested them
    record Sampled(
            int slot, int id, Optional<Logprobs> logprobs, Constraint.Continuation continuation) {
        Sampled(int slot, int id, Optional<Logprobs> logprobs) {
            this(slot, id, logprobs, Constraint.Continuation.FREE);
        }
    }

    /// Log-probabilities of the chosen token and of the most likely ones, most likely first.
    record Logprobs(float chosen, int[] topIds, float[] top) {}

    /// Outputs of consecutive positions of a slot.
    ///
    /// @param position the first position
    /// @param nextTokens prompt tokens from `position + 1` on, with their log-probabilities
    /// @param hiddenStates `hiddenSize` values for each position, or none
    /// @param pooled `hiddenSize` values where the prompt ends here and one vector was requested
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
