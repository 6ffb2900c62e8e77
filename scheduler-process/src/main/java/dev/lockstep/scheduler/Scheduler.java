package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/// Plans the steps of one formed group and applies their results; pure, and owned by one thread.
///
/// Up to [#DEPTH] steps are in flight: the next one is planned before the tokens of the last are
/// known. A decode row's input is the slot's last sampled id, which the worker has, so the plan
/// needs only to know that there will be one. What a sequence overshoots after a stop id is masked
/// on [#apply].
public final class Scheduler {
    public static final int DEPTH = 2;

    private final Timeline timeline;
    private final KvCacheManager kv;
    private final WaitingRoom waiting;
    private final PlanInProgress sequences;
    private final ResourceManagers resources;
    private final StepAssembly assembly;
    private final AdmissionPace pace = new AdmissionPace();
    private final PrefillPace prefillPace;
    private final AdmissionCheck admissionCheck;
    private final Deadlines deadlines = new Deadlines();
    private final LookAhead lookAhead = new LookAhead();
    private final ArrayDeque<StepPlan> inFlight = new ArrayDeque<>();
    private final Generation generation;
    private Recorder recorder = Recorder.NONE;
    private long steps;
    private long mixedSteps;
    private long expired;

    /// Without managers of a user's own.
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

    /// Makes the KV cache manager, which tells `events` what can be found.
    @FunctionalInterface
    interface KvCacheFactory {
        KvCacheManager make(CacheEvents events);
    }

    /// @param more resource managers called after slots, waiting room and KV cache
    Scheduler(
            GroupShape shape,
            WaitingLimits limits,
            Policies policies,
            KvCacheFactory kvCache,
            List<ResourceManager> more,
            CacheEvents events,
            Timeline timeline) {
        this.timeline = timeline;
        var bestEffort = policies.newWaitingOrder();
        var guaranteed = policies.newWaitingOrder();
        this.kv = kvCache.make(listeners(events, bestEffort, guaranteed));
        this.waiting = new WaitingRoom(guaranteed, bestEffort, kv, timeline);
        this.prefillPace = new PrefillPace(shape.maxBatchedTokens());
        this.admissionCheck = new AdmissionCheck(limits, shape, kv, waiting, pace, prefillPace);
        var slots = new SlotPool(shape.maxSequences());
        var managers = new ArrayList<ResourceManager>(List.of(slots, waiting, kv));
        managers.addAll(more);
        this.resources = new ResourceManagers(managers);
        var microBatch = policies.newMicroBatch();
        this.sequences =
                new PlanInProgress(
                        shape.maxBatchedTokens(),
                        kv,
                        slots,
                        waiting,
                        bestEffort,
                        microBatch,
                        resources,
                        timeline);
        this.assembly =
                new StepAssembly(
                        shape,
                        kv,
                        sequences,
                        policies.newCapacity(),
                        microBatch,
                        resources,
                        timeline);
        this.generation = new Generation(shape.maxSequences(), sequences, waiting, timeline);
        waiting.begin(policies);
    }

    private static CacheEvents listeners(CacheEvents events, WaitingOrder... orders) {
        var all = new ArrayList<CacheEvents>(List.of(events));
        for (var order : orders) {
            if (order instanceof CacheEvents listening) {
                all.add(listening);
            }
        }
        return CacheEvents.toAll(all);
    }

    /// Every call from now on is told to `recorder` too.
    public void recordTo(Recorder recorder) {
        this.recorder = recorder;
    }

    /// Queues the choices of a request, all or none, or says why not.
    public Submission submit(List<Sequence> choices, long nanos) {
        recorder.submitted(choices, nanos);
        timeline.at(nanos);
        var submission = admissionCheck.judge(choices, nanos);
        if (submission instanceof Submission.Queued) {
            for (var sequence : choices) {
                timeline.queued(sequence);
                waiting.add(sequence);
                deadlines.add(sequence);
            }
        }
        return submission;
    }

    /// Takes a sequence out; nothing more is reported of it.
    public void cancel(Sequence sequence, long nanos) {
        recorder.cancelled(sequence, nanos);
        timeline.at(nanos);
        if (sequence.live()) {
            sequences.end(sequence, Sequence.State.CANCELLED);
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
            var late = deadlines.remove();
            if (late.live()) {
                sequences.end(late, Sequence.State.EXPIRED);
                events.add(new SequenceEvent.Expired(late));
                expired++;
            }
        }
        return events;
    }

    /// When [#expire] has something to do next; [SchedulingOptions#NO_DEADLINE] is never.
    public long nextDeadline() {
        return deadlines.next();
    }

    /// Whether it is time for the next step.
    public boolean canPlan(long nanos) {
        return nanos >= planAt();
    }

    /// When it is, unless [#DEPTH] steps are in flight; a time past is at once.
    public long planAt() {
        if (!canPlan()) {
            return SchedulingOptions.NO_DEADLINE;
        }
        var running = inFlight.peek();
        return running == null ? Long.MIN_VALUE : lookAhead.planAt(running);
    }

    boolean canPlan() {
        return inFlight.size() < DEPTH;
    }

    /// The next step, which counts as sent unless it is empty. `nanos` is the time it is planned
    /// at.
    public StepPlan plan(long nanos) {
        if (!canPlan()) {
            throw new IllegalStateException(inFlight.size() + " steps are in flight");
        }
        timeline.at(nanos);
        long before = sequences.promptTokens();
        assembly.select(nanos, inFlight.isEmpty());
        pace.planned(nanos, sequences.promptTokens() - before, !waiting.isEmpty());
        var plan = assembly.assemble(steps + 1, nanos);
        if (!plan.isEmpty()) {
            inFlight.add(plan);
            steps++;
            mixedSteps += plan.mixed() ? 1 : 0;
        }
        recorder.planned(plan, nanos);
        return plan;
    }

    /// Takes the result of the oldest step in flight. A result that does not answer that step is a
    /// broken worker: it throws and changes nothing.
    public List<SequenceEvent> apply(StepResult result, long nanos) {
        var plan = inFlight.peek();
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
        var events = generation.take(plan, result);
        inFlight.remove();
        lookAhead.ended(plan, result, nanos);
        prefillPace.ended(plan, nanos);
        resources.updateResources(plan);
        return events;
    }

    /// The group is lost: every sequence leaves. Those that had started are aborted; the others,
    /// which are returned in order of arrival, can be submitted to the next group. The scheduler is
    /// of no more use.
    public LostSequences lose() {
        var aborted = new ArrayList<>(sequences.running());
        var unstarted = new ArrayList<Sequence>();
        for (var sequence : waiting.drain(aborted)) {
            (sequence.started() ? aborted : unstarted).add(sequence);
        }
        for (var sequence : aborted) {
            sequence.end(Sequence.State.ABORTED);
            timeline.ended(sequence);
        }
        return new LostSequences(aborted, unstarted);
    }

    /// Takes over a full block that every rank still holds from an earlier epoch, before anything
    /// is planned. False when it cannot be found by its name now.
    public boolean adopt(int kvGroup, int block, BlockHash name) {
        return kv.adopt(kvGroup, block, name);
    }

    /// Every prefix that can be found.
    public List<BlockHash> cachedNames() {
        return kv.cachedNames();
    }

    /// Sequences that wait.
    public int waiting() {
        return waiting.size();
    }

    /// Ids of all that wait, those of outputs included.
    public long waitingTokens() {
        return waiting.tokens();
    }

    /// A snapshot for people and routers.
    public Load load() {
        return new Load(
                sequences.running().size(),
                waiting.size(),
                waiting.tokens(),
                kv.blocks(),
                kv.freeBlocks(),
                kv.cachedBlocks(),
                new Totals(
                        sequences.preemptions(),
                        steps,
                        mixedSteps,
                        sequences.promptTokens(),
                        sequences.cachedTokens(),
                        generation.generated(),
                        expired,
                        admissionCheck.refused()));
    }

    /// Throws unless blocks and slots balance.
    void checkIntegrity() {
        resources.checkIntegrity(sequences.running());
    }
}
