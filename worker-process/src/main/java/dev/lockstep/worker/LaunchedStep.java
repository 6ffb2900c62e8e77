// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.Mark;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A step whose ops are called, and all that its completion needs: later steps may release and
/// reassign its slots meanwhile.
///
/// @param mark reached once the step's ops have finished
/// @param ended whether they had when its launch returned, as on a CPU
/// @param launchedNanos the time of [System#nanoTime] when the launch began
/// @param sampled the samples on their way to the host; empty on ranks that do not sample
/// @param constraints of the sampled slots that have one
/// @param readBack the batch, if positions are read back: then the step completes before the next
///   one is launched
/// @param residual on its way to the host, if the step reports a checksum
/// @param answers tokens of refused rows that sample nothing
/// @param filled the blocks that get names when the step completes
record LaunchedStep(
        long epoch,
        long number,
        Mark mark,
        boolean ended,
        long launchedNanos,
        List<StepOutcome.Refused> refused,
        Optional<SampleReader.Coming> sampled,
        Map<Integer, Constraint> constraints,
        List<StepOutcome.Sampled> answers,
        Optional<BatchBuilder.Batch> readBack,
        Optional<ResidualReader.Coming> residual,
        List<HeldBlocks.Filled> filled) {
    LaunchedStep {
        refused = List.copyOf(refused);
        constraints = Map.copyOf(constraints);
        answers = List.copyOf(answers);
        filled = List.copyOf(filled);
    }
}
