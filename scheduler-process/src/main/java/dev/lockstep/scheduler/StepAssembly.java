package dev.lockstep.scheduler;

import java.util.Arrays;

/// Makes a plan: the capacity scheduler chooses, the micro-batch scheduler divides the tokens, and
/// the resource managers give each row what it lacks.
final class StepAssembly {
    private final GroupShape shape;
    private final KvCacheManager kv;
    private final PlanInProgress sequences;
    private final CapacityScheduler capacity;
    private final MicroBatchScheduler microBatch;
    private final ResourceManager resources;
    private final Timeline timeline;
    private final StepTime time;
    private final int[] tokens;

    /// Used in turn: those in flight, and the one being made.
    private final StepPlan[] plans = new StepPlan[Scheduler.DEPTH + 1];

    private int next;
    private boolean hurried;

    StepAssembly(
            GroupShape shape,
            KvCacheManager kv,
            PlanInProgress sequences,
            CapacityScheduler capacity,
            MicroBatchScheduler microBatch,
            ResourceManager resources,
            Timeline timeline) {
        this.shape = shape;
        this.kv = kv;
        this.sequences = sequences;
        this.capacity = capacity;
        this.microBatch = microBatch;
        this.resources = resources;
        this.timeline = timeline;
        this.time = new StepTime(shape);
        this.tokens = new int[shape.maxSequences()];
        Arrays.setAll(plans, _ -> new StepPlan());
    }

    /// Chooses who runs in the next step. Where nobody runs because somebody was preempted, and no
    /// step is in flight, what was given up is free at once: then another try finds it.
    ///
    /// @param idle whether no step is in flight
    void select(long nanos, boolean idle) {
        long preempted;
        do {
            preempted = sequences.preemptions();
            sequences.begin(nanos);
            capacity.select(sequences);
        } while (sequences.isEmpty() && idle && sequences.preemptions() > preempted);
        sequences.tellWhoWaits();
    }

    /// The step of those selected; empty when there is nobody.
    StepPlan assemble(long number, long nanos) {
        var plan = plans[next];
        plan.begin(shape.epoch(), number, nanos);
        addAdmissions(plan);
        addRows(plan);
        if (plan.isEmpty()) {
            return plan;
        }
        next = (next + 1) % plans.length;
        resources.prepareResources(plan);
        note(plan);
        return plan;
    }

    private void addAdmissions(StepPlan plan) {
        for (var sequence : sequences.admitted()) {
            plan.admit(
                    new StepPlan.Admission(
                            sequence.slot(),
                            sequence,
                            sequence.copyOfOutputs(),
                            sequence.computed(),
                            sequence.withoutKv()));
        }
    }

    /// Sequences without KV run whole; the others share what tokens are left.
    private void addRows(StepPlan plan) {
        boolean shortSteps = sequences.wantsShortSteps();
        hurried = shortSteps && !hurried && sequences.hurry();
        int budget = shape.maxBatchedTokens();
        for (var sequence : sequences.withoutKv()) {
            int count = sequence.remaining();
            boolean samples = sequence.send(count);
            plan.add(sequence, sequence.slot(), 0, count, samples, true);
            budget -= count;
        }
        var batch = sequences.batch();
        if (batch.isEmpty()) {
            return;
        }
        int share = shortSteps && !hurried ? sequences.share(budget) : budget;
        microBatch.divide(batch, share, tokens);
        time.limit(batch, tokens);
        for (int i = 0; i < batch.size(); i++) {
            var sequence = batch.get(i);
            int computed = sequence.computed();
            int count = Math.min(tokens[i], kv.room(sequence) - computed);
            if (count > 0) {
                boolean prefill = sequence.prefilling();
                boolean samples = sequence.send(count);
                kv.settle(sequence, sequence.computed());
                plan.add(sequence, sequence.slot(), computed, count, samples, prefill);
            }
        }
    }

    private void note(StepPlan plan) {
        int rows = plan.rows().size();
        int stepTokens = plan.tokenCount();
        for (var admission : plan.admitted()) {
            timeline.admitted(admission.sequence());
        }
        for (var row : plan.rows()) {
            timeline.step(row, plan.number(), rows, stepTokens);
        }
    }
}
