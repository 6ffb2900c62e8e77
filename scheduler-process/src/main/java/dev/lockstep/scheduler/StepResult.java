// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// What the sampling rank reports of a step: one token for each row that samples, in any order, and
/// the outputs that sequences requested, those of one slot in order of position. A refused
/// admission of the step still has its tokens, and no outputs.
public record StepResult(
        long epoch,
        long number,
        List<Refused> refused,
        List<Sampled> sampled,
        List<Outputs> outputs,
        long computeMicros) {
    public record Refused(int slot, String reason) {}

    public record Sampled(int slot, SampledToken token) {}

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
