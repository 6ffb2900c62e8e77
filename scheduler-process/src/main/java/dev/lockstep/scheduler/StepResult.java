// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// What the sampling rank reports of a step: one token for each row that samples, in any order, and
/// the outputs that sequences requested, those of one slot in order of position.
public record StepResult(
        long epoch, long number, List<Sampled> sampled, List<Outputs> outputs, long computeMicros) {
    public record Sampled(int slot, SampledToken token) {}

    public record Outputs(int slot, PositionOutputs values) {}

    public StepResult {
        sampled = List.copyOf(sampled);
        outputs = List.copyOf(outputs);
    }

    StepResult(long epoch, long number, List<Sampled> sampled, long computeMicros) {
        this(epoch, number, sampled, List.of(), computeMicros);
    }
}
