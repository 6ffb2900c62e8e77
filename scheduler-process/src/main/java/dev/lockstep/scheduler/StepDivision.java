// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// Decides how many tokens each sequence of a step runs: a policy divides them, after short prompts
/// and those that hurry were given their part of the steps, and before the step's time limits them.
final class StepDivision {
    private final int[] counts;
    private final MicroBatchScheduler microBatch;
    private final StepTime stepTime;
    private final ShortPrompts shortPrompts;
    private final WaitingRoom waiting;
    private boolean hurried;

    StepDivision(
            int maxSequences,
            MicroBatchScheduler microBatch,
            StepTime stepTime,
            ShortPrompts shortPrompts,
            WaitingRoom waiting) {
        this.counts = new int[maxSequences];
        this.microBatch = microBatch;
        this.stepTime = stepTime;
        this.shortPrompts = shortPrompts;
        this.waiting = waiting;
    }

    /// Divides the tokens that sequences without KV leave in the budget among the batch. Short
    /// steps alternate with steps that only hurrying prefills share.
    ///
    /// @return tokens of each sequence of the batch, valid until the next call
    int[] divide(PlanInProgress inProgress, long nanos) {
        boolean apart = inProgress.keepSuspectsApart();
        boolean besideOthers = !apart && inProgress.arrangeShortPrompts(nanos);
        boolean byOrder = !apart && waiting.wantsShortSteps();
        boolean shortSteps = besideOthers || byOrder;
        hurried = shortSteps && !hurried && inProgress.keepOnlyHurryingPrefills(byOrder);
        List<Sequence> batch = inProgress.batch();
        if (batch.isEmpty()) {
            return counts;
        }
        int budget = stepTime.tokens();
        for (Sequence sequence : inProgress.withoutKv()) {
            budget -= sequence.remaining();
        }
        int tokens = shortSteps && !hurried ? inProgress.shortStepTokens(budget) : budget;
        microBatch.divide(batch, tokens, counts);
        boolean limitOthers = besideOthers && !hurried;
        stepTime.limit(
                batch,
                counts,
                shortPrompts,
                limitOthers ? shortPrompts.costOfOthers() : Double.MAX_VALUE);
        return counts;
    }
}
