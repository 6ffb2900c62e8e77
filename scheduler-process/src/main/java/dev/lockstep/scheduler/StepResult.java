// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// What the sampling rank reports of a step: one token for each row that samples, in any order, and
/// the outputs that sequences requested, those of one slot in order of position. A refused slot of
/// the step still has its tokens.
public record StepResult(
        long epoch,
        long number,
        List<Refused> refused,
        List<Sampled> sampled,
        List<Outputs> outputs,
        long computeMicros) {
    public record Refused(int slot, String reason) {}

    /// A token, and what is known after it.
    ///
    /// @param forced ids that follow the token because a constraint leaves no other text
    /// @param complete whether a constraint allows nothing after them
    /// @param free how many tokens after them do not depend on the text before; read only if there
    ///   is a constraint
    /// @param open whether a constraint says little about the next token: a row that is planned
    ///   before that token is known is probably not in vain
    public record Sampled(
            int slot,
            SampledToken token,
            List<Integer> forced,
            boolean complete,
            int free,
            boolean open) {
        public Sampled {
            forced = List.copyOf(forced);
        }

        public Sampled(int slot, SampledToken token) {
            this(slot, token, List.of(), false, 0, false);
        }
    }

    public record Outputs(int slot, PositionOutputs values) {}

    public StepResult {
        refused = List.copyOf(refused);
        sampled = List.copyOf(sampled);
        outputs = List.copyOf(outputs);
    }

    StepResult(long epoch, long number, List<Sampled> sampled, long computeMicros) {
        this(epoch, number, List.of(), sampled, List.of(), computeMicros);
    }
}
