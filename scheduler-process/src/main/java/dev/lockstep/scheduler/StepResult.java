package dev.lockstep.scheduler;

import dev.lockstep.proto.v1.PositionOutputs;
import java.util.List;

/// What the sampling rank reports of a step: one token for each row that samples, in any order, and
/// the outputs of positions that sequences want, a slot's in order of position.
public record StepResult(
        long epoch, long number, List<Sampled> sampled, List<Outputs> outputs, long computeMicros) {
    public record Sampled(int slot, SampledToken token) {}

    public record Outputs(int slot, PositionOutputs values) {}

    public StepResult {
        sampled = List.copyOf(sampled);
        outputs = List.copyOf(outputs);
    }

    /// Of a step whose sequences only generate.
    StepResult(long epoch, long number, List<Sampled> sampled, long computeMicros) {
        this(epoch, number, sampled, List.of(), computeMicros);
    }
}
