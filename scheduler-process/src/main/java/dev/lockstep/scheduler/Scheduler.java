// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/// Plans the steps of one formed group and applies their results; pure, and owned by one thread.
///
/// Up to [#DEPTH] steps are in flight: the next step is planned before the tokens of the last one
/// are known. The input of a decode row is the last id sampled for its slot, which the worker has,
/// so the plan needs only to know that there will be one. Tokens that a sequence generates after a
/// stop id are dropped by [#apply].
public final class Scheduler {
    public static final int DEPTH = 2;

    private final Timeline timeline;
    private final KvCacheManager kv;
    private final WaitingRoom waiting;
    private final RunningSequences running;
    private final ResourceManagers resources;
    private final CapacityScheduler capacity;
    private final StepDivision division;
    private final PlanInProgress inProgress;
    private final StepTime stepTime;
    private final GroupShape shape;

    /// Used in rotation: the plans in flight, and the one being made.
    private final StepPlan[] plans = new StepPlan[DEPTH + 1];

    private final AdmissionPace pace = new AdmissionPace();
    private final PrefillPace prefillPace;
    private final ShortPrompts shortPrompts;
    private final AdmissionCheck admissionCheck;
    private final Deadlines deadlines = new Deadlines();
    private final LookAhead lookAhead;
    private final Probation probation = new Probation();
    private final ArrayDeque<StepPlan> inFlight = new ArrayDeque<>();
    private final Generation generation;
    private Recorder recorder = Recorder.NONE;
    private long steps;
    private long mixedSteps;
    private long expired;

    /// Creates a scheduler with a [PagedKvCache] and no further resource managers.
    public Scheduler(
            GroupShape shape,
            WaitingLimits limits,
            Policies policies,
            BlockHasher hasher,
            CacheEvents events,
            Timeline timeline) {
        this(
                shape,
                limits,
                policies,
                listeners -> new PagedKvCache(shape, policies.prefixCache(), hasher, listeners),
                List.of(),
                events,
                timeline);
    }

    /// Creates the KV cache manager, which reports to `events` the prefixes that can be found.
    @FunctionalInterface
    interface KvCacheFactory {
        KvCacheManager make(CacheEvents events);
    }

    /// Creates a scheduler.
    ///
    /// @param more resource managers called after slots, waiting room and KV cache
    Scheduler(
            GroupShape shape,
            WaitingLimits limits,
            Policies policies,
            KvCacheFactory kvCache,
            List<ResourceManager> more,
            CacheEvents events,
            Timeline timeline) {
        this.shape = shape;
        this.stepTime = new StepTime(shape);
        this.lookAhead = new LookAhead(stepTime);
        this.timeline = timeline;
        WaitingOrder bestEffort = policies.newWaitingOrder();
        WaitingOrder guaranteed = policies.newWaitingOrder();
        this.kv = kvCache.make(listeners(events, bestEffort, guaranteed));
        this.shortPrompts = new ShortPrompts(stepTime);
        this.waiting =
                new WaitingRoom(
                        guaranteed,
                        bestEffort,
                        kv,
                        shape.blockSize(),
                        stepTime,
                        shortPrompts,
                        timeline);
        this.prefillPace = new PrefillPace(stepTime);
        var slots = new SlotPool(shape.maxSequences());
        var managers = new ArrayList<ResourceManager>(List.of(slots, waiting, kv));
        managers.addAll(more);
        this.resources = new ResourceManagers(managers);
        this.running = new RunningSequences(slots, waiting, resources, timeline);
        this.admissionCheck =
                new AdmissionCheck(
                        limits,
                        shape,
                        kv,
                        waiting,
                        pace,
                        new QueueDelay(waiting, running, shortPrompts, stepTime, prefillPace));
        this.capacity = policies.newCapacity();
        MicroBatchScheduler microBatch = policies.newMicroBatch();
        this.division =
                new StepDivision(shape.maxSequences(), microBatch, stepTime, shortPrompts, waiting);
        this.inProgress =
                new PlanInProgress(
                        stepTime,
                        shape.keepsNothing(),
                        kv,
                        slots,
                        waiting,
                        bestEffort,
                        microBatch,
                        running,
                        probation,
                        shortPrompts,
                        timeline);
        Arrays.setAll(plans, _ -> new StepPlan());
        this.generation = new Generation(shape.maxSequences(), running, waiting, timeline);
        waiting.begin(policies);
    }

    private static CacheEvents listeners(CacheEvents events, WaitingOrder... orders) {
        var all = new ArrayList<CacheEvents>(List.of(events));
        for (WaitingOrder order : orders) {
            if (order instanceof CacheEvents listening) {
                all.add(listening);
            }
        }
        return CacheEvents.toAll(all);
    }

    /// Reports every later call to `recorder` too.
    public void recordTo(Recorder recorder) {
        this.recorder = recorder;
    }

    /// Queues the choices of a request, all or none, or returns the reason for the refusal.
    public Submission submit(List<Sequence> choices, long nanos) {
        return submit(choices, false, nanos);
    }

    /// As [#submit(List, long)].
    ///
    /// @param accepted whether the request was accepted before, by another scheduler or while the
    ///   group was formed: then neither a full queue nor its deadline is a reason to refuse it
    public Submission submit(List<Sequence> choices, boolean accepted, long nanos) {
        recorder.submitted(choices, accepted, nanos);
        timeline.at(nanos);
        Submission submission =
                accepted ? admissionCheck.fit(choices) : admissionCheck.check(choices, nanos);
        if (submission instanceof Submission.Queued) {
            for (Sequence sequence : choices) {
                timeline.queued(sequence);
                if (accepted) {
                    timeline.moved(sequence);
                }
                waiting.add(sequence);
                deadlines.add(sequence);
            }
        }
        return submission;
    }

    /// Queues a sequence of a lost group again, whatever the limits of the queue: it was accepted.
    /// It goes on from its prompt and outputs.
    ///
    /// @return queued, or the reason why this group can never run it
    public Submission resume(Sequence sequence, long nanos) {
        recorder.resumed(sequence, nanos);
        timeline.at(nanos);
        Submission submission = admissionCheck.fit(List.of(sequence));
        if (submission instanceof Submission.Queued) {
            timeline.resumed(sequence);
            probation.resumed(sequence);
            waiting.add(sequence);
            deadlines.add(sequence);
        }
        return submission;
    }

    /// Ends a sequence; no more events of it are reported.
    public void cancel(Sequence sequence, long nanos) {
        recorder.cancelled(sequence, nanos);
        timeline.at(nanos);
        if (sequence.live()) {
            running.end(sequence, Sequence.State.CANCELLED);
        }
    }

    /// Ends the sequences whose deadline has passed.
    public List<SequenceEvent> expire(long nanos) {
        if (deadlines.next() > nanos) {
            return List.of();
        }
        recorder.expired(nanos);
        timeline.at(nanos);
        var events = new ArrayList<SequenceEvent>();
        while (deadlines.next() <= nanos) {
            Sequence late = deadlines.remove();
            if (late.live()) {
                running.end(late, Sequence.State.EXPIRED);
                events.add(new SequenceEvent.Expired(late));
                expired++;
            }
        }
        return events;
    }

    /// Returns the time of the next necessary call of [#expire]; [SchedulingOptions#NO_DEADLINE]
    /// when there is none.
    public long nextDeadline() {
        return deadlines.next();
    }

    /// Whether the next step can be planned at the time `nanos`.
    public boolean canPlan(long nanos) {
        return nanos >= planAt();
    }

    /// Returns the earliest time of the next plan, [SchedulingOptions#NO_DEADLINE] while [#DEPTH]
    /// steps are in flight; a time in the past means now.
    public long planAt() {
        if (!canPlan()) {
            return SchedulingOptions.NO_DEADLINE;
        }
        StepPlan oldest = inFlight.peek();
        return oldest == null ? Long.MIN_VALUE : lookAhead.planAt(oldest);
    }

    boolean canPlan() {
        return inFlight.isEmpty() || (inFlight.size() < DEPTH && !probation.active());
    }

    /// Plans the next step, which counts as sent unless it is empty.
    ///
    /// @param nanos the current time
    public StepPlan plan(long nanos) {
        if (!canPlan()) {
            throw new IllegalStateException(inFlight.size() + " steps are in flight");
        }
        timeline.at(nanos);
        admit(nanos);
        int[] counts = division.divide(inProgress, nanos);
        StepPlan plan = assemble(counts, nanos);
        if (!plan.isEmpty()) {
            resources.prepareResources(plan);
            timeline.planned(plan);
            inFlight.add(plan);
            steps++;
            mixedSteps += plan.mixed() ? 1 : 0;
        }
        recorder.planned(plan, nanos);
        return plan;
    }

    /// Chooses the sequences of the step: some are admitted, some preempted.
    private void admit(long nanos) {
        long before = running.promptTokens();
        inProgress.select(capacity, nanos, inFlight.isEmpty());
        pace.planned(nanos, running.promptTokens() - before, !waiting.isEmpty());
    }

    /// Puts admissions and rows into a plan. A row is never longer than its blocks have room for.
    private StepPlan assemble(int[] counts, long nanos) {
        StepPlan plan = plans[(int) (steps % plans.length)];
        plan.begin(shape.epoch(), steps + 1, nanos);
        inProgress.admitted().forEach(plan::admit);
        for (Sequence sequence : inProgress.withoutKv()) {
            plan.add(sequence, sequence.remaining());
        }
        List<Sequence> batch = inProgress.batch();
        for (int i = 0; i < batch.size(); i++) {
            Sequence sequence = batch.get(i);
            int most = Math.min(sequence.rowLimit(), kv.room(sequence) - sequence.computed());
            int count = Math.min(counts[i], most);
            if (count > 0) {
                plan.add(sequence, count);
                kv.trimReservation(sequence, sequence.computed());
            }
        }
        return plan;
    }

    /// Applies the result of the oldest step in flight. Throws, and changes nothing, when the
    /// result does not match that step: then the worker is broken.
    public List<SequenceEvent> apply(StepResult result, long nanos) {
        StepPlan plan = inFlight.peek();
        if (plan == null || result.number() != plan.number() || result.epoch() != plan.epoch()) {
            throw new IllegalStateException(
                    "result of step "
                            + result.number()
                            + " of epoch "
                            + result.epoch()
                            + ", expected "
                            + (plan == null ? "none" : plan.number() + " of " + plan.epoch()));
        }
        recorder.applied(result, nanos);
        timeline.at(nanos);
        List<SequenceEvent> events = generation.apply(plan, result);
        inFlight.remove();
        lookAhead.ended(plan, result, nanos);
        prefillPace.ended(plan, nanos, result.computeMicros());
        shortPrompts.ended(plan, result.computeMicros());
        stepTime.ended(plan, running.all().size(), result.computeMicros());
        resources.updateResources(plan);
        return events;
    }

    /// Removes every sequence because the group is lost; they can be resumed by the scheduler of
    /// the next group, except one that was found to end its ranks. The scheduler must not be used
    /// afterwards.
    ///
    /// @param rankFailed whether a rank ended, hung or failed a step, for which a sequence of the
    ///   steps in flight may be the reason
    public LostSequences lose(boolean rankFailed, long nanos) {
        recorder.lost(rankFailed, nanos);
        timeline.at(nanos);
        List<Sequence> poisoned = rankFailed ? Probation.rankFailed(sentSequences()) : List.of();
        var parked = new ArrayList<>(running.all());
        parked.addAll(waiting.drain(running.all()));
        parked.removeAll(poisoned);
        parked.sort(Comparator.comparingLong(Sequence::arrival));
        for (Sequence sequence : parked) {
            sequence.park();
            timeline.parked(sequence);
        }
        for (Sequence sequence : poisoned) {
            sequence.end(Sequence.State.ABORTED);
            timeline.ended(sequence);
        }
        return new LostSequences(parked, poisoned);
    }

    /// Returns the live sequences of the steps in flight.
    private Set<Sequence> sentSequences() {
        var sent = new LinkedHashSet<Sequence>();
        for (StepPlan plan : inFlight) {
            for (StepPlan.Row row : plan.rows()) {
                if (row.sequence().live()) {
                    sent.add(row.sequence());
                }
            }
        }
        return sent;
    }

    /// Adds a full block that every rank still holds from an earlier epoch to the prefix cache,
    /// before anything is planned. Returns false when it cannot be found by its name afterwards.
    public boolean adopt(int kvGroup, int block, BlockHash name) {
        return kv.adopt(kvGroup, block, name);
    }

    /// Names of all blocks of the first KV group that a prefix can find.
    public List<BlockHash> cachedNames() {
        return kv.cachedNames();
    }

    /// Number of waiting sequences.
    public int waiting() {
        return waiting.size();
    }

    /// Token ids of all waiting sequences, outputs included.
    public long waitingTokens() {
        return waiting.tokens();
    }

    /// Number of steps that were sent and have no result yet.
    public int stepsInFlight() {
        return inFlight.size();
    }

    /// Returns the number of tokens that a step may have now.
    public int stepTokens() {
        return stepTime.tokens();
    }

    /// Returns a snapshot for routers and users.
    public Load load() {
        return new Load(
                running.all().size(),
                waiting.size(),
                waiting.tokens(),
                kv.blocks(),
                kv.freeBlocks(),
                kv.cachedBlocks(),
                new Load.Totals(
                        running.preemptions(),
                        steps,
                        mixedSteps,
                        running.promptTokens(),
                        running.cachedTokens(),
                        running.recomputedTokens(),
                        generation.generated(),
                        expired,
                        admissionCheck.refused(),
                        admissionCheck.refusedByEstimate()));
    }

    /// Throws unless the counts of blocks and slots match their holders.
    void checkIntegrity() {
        resources.checkIntegrity(running.all());
    }
}
