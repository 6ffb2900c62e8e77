package dev.lockstep.scheduler;

import java.util.List;

/// What the sampling rank reports of a step: one token for each row that samples, in any order.
record StepResult(long epoch, long number, List<Sampled> sampled, long computeMicros) {
    record Sampled(int slot, Token token) {}

    StepResult {
        sampled = List.copyOf(sampled);
    }
}
