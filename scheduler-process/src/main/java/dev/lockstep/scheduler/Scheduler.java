package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import org.jspecify.annotations.Nullable;

/// Plans the steps of one formed group and applies their results; pure, and owned by one thread.
///
/// Up to [#DEPTH] steps are in flight: the next one is planned before the tokens of the last are
/// known. A decode row's input is the slot's last sampled id, which the worker has, so the plan
/// needs only to know that there will be one. What a sequence overshoots after a stop id is masked
/// on [#apply].
final class Scheduler {
    static final int DEPTH = 2;

    private final GroupShape shape;
    private final WaitingLimits limits;
    private final Timeline timeline;
    private final KvCacheManager kv;
    private final WaitingRoom waiting;
    private final PlanCapacity sequences;
    private final CapacityScheduler capacity;
    private final MicroBatchScheduler microBatch;
    private final ResourceManagers resources;
    private final AdmissionPace pace = new AdmissionPace();
    private final ArrayDeque<StepPlan> inFlight = new ArrayDeque<>();
    private final PriorityQueue<Sequence> deadlines =
            new PriorityQueue<>(Comparator.comparingLong(one -> one.terms().deadlineNanos()));
    private final int[] tokens;
    private final @Nullable Token[] tokenOfSlot;
    private Recorder recorder = Recorder.NONE;
    private long steps;
    private long mixedSteps;
    private long generated;
    private long expired;
    private long refused;

    /// Without managers of a user's own.
    Scheduler(
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
        this.shape = shape;
        this.limits = limits;
        this.timeline = timeline;
        var bestEffort = policies.newWaitingOrder();
        var guaranteed = policies.newWaitingOrder();
        this.kv = kvCache.make(fanOut(events, bestEffort, guaranteed));
        this.waiting = new WaitingRoom(guaranteed, bestEffort, kv, timeline);
        var slots = new Slots(shape.maxSequences());
        var managers = new ArrayList<ResourceManager>(List.of(slots, waiting, kv));
        managers.addAll(more);
        this.resources = new ResourceManagers(managers);
        this.capacity = policies.newCapacity();
        this.microBatch = policies.newMicroBatch();
        this.sequences =
                new PlanCapacity(
                        shape.maxBatchedTokens(),
                        kv,
                        slots,
                        waiting,
                        bestEffort,
                        microBatch,
                        resources,
                        timeline);
        waiting.begin(policies);
        this.tokens = new int[shape.maxSequences()];
        this.tokenOfSlot = new Token[shape.maxSequences()];
    }

    private static CacheEvents fanOut(CacheEvents events, WaitingOrder... orders) {
        var heard = new ArrayList<CacheEvents>(List.of(events));
        for (var order : orders) {
            if (order instanceof CacheEvents listening) {
                heard.add(listening);
            }
        }
        return new CacheEvents() {
            @Override
            public void stored(BlockHash name) {
                heard.forEach(each -> each.stored(name));
            }

            @Override
            public void removed(BlockHash name) {
                heard.forEach(each -> each.removed(name));
            }
        };
    }

    /// Every call from now on is told to `recorder` too.
    void recordTo(Recorder recorder) {
        this.recorder = recorder;
    }

    /// Queues the choices of a request, all or none. An empty queue takes any request that can run,
    /// so that no limit makes one unservable.
    Submission submit(List<Sequence> choices, long nanos) {
        recorder.submitted(choices, nanos);
        timeline.at(nanos);
        long more = 0;
        for (var sequence : choices) {
            var unfit = unfit(sequence);
            if (!unfit.isEmpty()) {
                return new Submission.Unservable(unfit);
            }
            more += sequence.knownLength();
        }
        if (!waiting.isEmpty()) {
            var full = full(choices.size(), more);
            if (!full.isEmpty()) {
                refused++;
                return new Submission.QueueFull(full);
            }
        }
        long wait = waiting.isEmpty() ? 0 : pace.waitNanos(waiting.tokens());
        long deadline = choices.getFirst().terms().deadlineNanos();
        if (deadline != Terms.NO_DEADLINE && deadline - nanos <= wait) {
            refused++;
            return new Submission.TooLate(
                    "deadline_ms is over in "
                            + (deadline - nanos) / 1_000_000
                            + " ms, the queue takes about "
                            + wait / 1_000_000
                            + " ms",
                    wait);
        }
        for (var sequence : choices) {
            timeline.queued(sequence);
            waiting.add(sequence);
            if (deadline != Terms.NO_DEADLINE) {
                deadlines.add(sequence);
            }
        }
        return new Submission.Queued();
    }

    private String full(int sequences, long more) {
        if (waiting.size() + sequences > limits.sequences()) {
            return waiting.size() + " sequences wait, the limit is " + limits.sequences();
        }
        if (waiting.tokens() + more > limits.tokens()) {
            return waiting.tokens()
                    + " tokens wait and "
                    + more
                    + " would come, the limit is "
                    + limits.tokens();
        }
        return "";
    }

    private String unfit(Sequence sequence) {
        int prompt = sequence.promptLength();
        int most = sequence.sampling().maxTokens();
        long length = (long) prompt + most;
        var sum = "prompt of " + prompt + " tokens and max_tokens " + most + " make " + length;
        if (length > shape.maxModelLength()) {
            return sum + ", the model's context is " + shape.maxModelLength();
        }
        // The last token is never fed back.
        if (length - 1 > kv.mostTokens()) {
            return sum + ", the KV cache holds " + kv.mostTokens();
        }
        return "";
    }

    /// Takes a sequence out; nothing more is reported of it.
    void cancel(Sequence sequence, long nanos) {
        recorder.cancelled(sequence, nanos);
        timeline.at(nanos);
        if (sequence.live()) {
            sequences.end(sequence, Sequence.State.CANCELLED);
        }
    }

    /// Ends the sequences whose deadline has passed.
    List<SequenceEvent> expire(long nanos) {
        if (deadlines.isEmpty() || deadlines.peek().terms().deadlineNanos() > nanos) {
            return List.of();
        }
        recorder.expired(nanos);
        timeline.at(nanos);
        var events = new ArrayList<SequenceEvent>();
        while (!deadlines.isEmpty() && deadlines.peek().terms().deadlineNanos() <= nanos) {
            var sequence = deadlines.remove();
            if (sequence.live()) {
                sequences.end(sequence, Sequence.State.EXPIRED);
                events.add(new SequenceEvent.Expired(sequence));
                expired++;
            }
        }
        return events;
    }

    /// When [#expire] has something to do next; [Terms#NO_DEADLINE] is never.
    long nextDeadline() {
        return deadlines.isEmpty() ? Terms.NO_DEADLINE : deadlines.peek().terms().deadlineNanos();
    }

    boolean canPlan() {
        return inFlight.size() < DEPTH;
    }

    /// The next step, which counts as sent unless it is empty. `nanos` is the time it is planned
    /// at.
    StepPlan plan(long nanos) {
        if (!canPlan()) {
            throw new IllegalStateException(inFlight.size() + " steps are in flight");
        }
        timeline.at(nanos);
        long before = sequences.promptTokens();
        select(nanos);
        pace.planned(nanos, sequences.promptTokens() - before, !waiting.isEmpty());
        var batch = sequences.batch();
        if (batch.isEmpty()) {
            var empty = StepPlan.empty(shape.epoch(), steps + 1, nanos);
            recorder.planned(empty, nanos);
            return empty;
        }
        microBatch.divide(batch, shape.maxBatchedTokens(), tokens);
        var plan = new StepPlan(shape.epoch(), steps + 1, nanos, admissions(), rows(batch));
        resources.prepareResources(plan);
        note(plan);
        inFlight.add(plan);
        steps++;
        mixedSteps += plan.mixed() ? 1 : 0;
        recorder.planned(plan, nanos);
        return plan;
    }

    /// Where nobody runs because somebody was paused, and no step is in flight, what was given up
    /// is free at once: then another try finds it.
    private void select(long nanos) {
        long paused;
        do {
            paused = sequences.pauses();
            sequences.begin(nanos);
            capacity.select(sequences);
        } while (sequences.batch().isEmpty() && inFlight.isEmpty() && sequences.pauses() > paused);
    }

    private List<StepPlan.Admission> admissions() {
        var admitted = sequences.admitted();
        if (admitted.isEmpty()) {
            return List.of();
        }
        var admissions = new ArrayList<StepPlan.Admission>(admitted.size());
        for (var sequence : admitted) {
            admissions.add(
                    new StepPlan.Admission(
                            sequence.slot(),
                            sequence,
                            sequence.copyOfOutputs(),
                            sequence.computed()));
        }
        return admissions;
    }

    private List<StepPlan.Row> rows(List<Sequence> batch) {
        var rows = new ArrayList<StepPlan.Row>(batch.size());
        for (int i = 0; i < batch.size(); i++) {
            var sequence = batch.get(i);
            int computed = sequence.computed();
            int count = Math.min(tokens[i], kv.room(sequence) - computed);
            if (count > 0) {
                boolean prefill = sequence.prefilling();
                boolean samples = sequence.send(count);
                kv.settle(sequence, sequence.computed());
                rows.add(
                        new StepPlan.Row(
                                sequence, sequence.slot(), computed, count, samples, prefill));
            }
        }
        return rows;
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

    /// Takes the result of the oldest step in flight. A result that does not answer that step is a
    /// broken worker: it throws and changes nothing.
    List<SequenceEvent> apply(StepResult result, long nanos) {
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
        sortBySlot(plan, result);
        inFlight.remove();
        var events = new ArrayList<SequenceEvent>(result.sampled().size());
        for (var row : plan.rows()) {
            var token = tokenOfSlot[row.slot()];
            if (row.samples() && token != null) {
                tokenOfSlot[row.slot()] = null;
                take(row.sequence(), token, events);
            }
        }
        resources.updateResources(plan);
        return events;
    }

    private void sortBySlot(StepPlan plan, StepResult result) {
        Arrays.fill(tokenOfSlot, null);
        for (var sampled : result.sampled()) {
            if (sampled.slot() < 0 || sampled.slot() >= tokenOfSlot.length) {
                throw new IllegalStateException(
                        "a token for slot " + sampled.slot() + " of " + tokenOfSlot.length);
            }
            tokenOfSlot[sampled.slot()] = sampled.token();
        }
        int asked = 0;
        for (var row : plan.rows()) {
            if (row.samples()) {
                asked++;
                if (tokenOfSlot[row.slot()] == null) {
                    throw new IllegalStateException(
                            "step " + plan.number() + " brought no token for slot " + row.slot());
                }
            }
        }
        if (asked != result.sampled().size()) {
            throw new IllegalStateException(
                    "step "
                            + plan.number()
                            + " brought "
                            + result.sampled().size()
                            + " tokens, asked for "
                            + asked);
        }
    }

    private void take(Sequence sequence, Token token, List<SequenceEvent> events) {
        sequence.settle();
        if (!sequence.live()) {
            return;
        }
        int position = sequence.append(token.id());
        generated++;
        if (sequence.state() == Sequence.State.WAITING) {
            waiting.grew();
        }
        timeline.generated(sequence);
        events.add(new SequenceEvent.Generated(sequence, position, token));
        var sampling = sequence.sampling();
        boolean stops =
                sequence.outputCount() > sampling.minTokens() && sampling.stopsAt(token.id());
        if (stops) {
            sequences.end(sequence, Sequence.State.FINISHED);
            events.add(new SequenceEvent.Stopped(sequence, token.id()));
        } else if (sequence.outputCount() == sampling.maxTokens()) {
            sequences.end(sequence, Sequence.State.FINISHED);
            events.add(new SequenceEvent.LengthReached(sequence));
        }
    }

    /// The group is lost: every sequence leaves. Those that had started are aborted; the others,
    /// which are returned in order of arrival, can be submitted to the next group. The scheduler is
    /// of no more use.
    Loss lose() {
        var aborted = new ArrayList<>(sequences.running());
        var unstarted = new ArrayList<Sequence>();
        for (var sequence : waiting.drain(aborted)) {
            (sequence.started() ? aborted : unstarted).add(sequence);
        }
        for (var sequence : aborted) {
            sequence.end(Sequence.State.ABORTED);
            timeline.ended(sequence);
        }
        return new Loss(aborted, unstarted);
    }

    record Loss(List<Sequence> aborted, List<Sequence> waiting) {}

    /// Takes over a full block that every rank still holds from an earlier epoch, before anything
    /// is planned. False when it cannot be found by its name now.
    boolean adopt(int kvGroup, int block, BlockHash name) {
        return kv.adopt(kvGroup, block, name);
    }

    /// Every prefix that can be found.
    List<BlockHash> cachedNames() {
        return kv.cachedNames();
    }

    /// A snapshot for people and routers.
    Load load() {
        return new Load(
                sequences.running().size(),
                waiting.size(),
                waiting.tokens(),
                kv.blocks(),
                kv.freeBlocks(),
                kv.cachedBlocks(),
                new Totals(
                        sequences.pauses(),
                        steps,
                        mixedSteps,
                        sequences.promptTokens(),
                        sequences.cachedTokens(),
                        generated,
                        expired,
                        refused));
    }

    record Load(
            int running,
            int waiting,
            long waitingTokens,
            long blocks,
            long freeBlocks,
            long cachedBlocks,
            Totals totals) {
        static final Load NONE = new Load(0, 0, 0, 0, 0, 0, Totals.NONE);

        long preemptions() {
            return totals.preemptions();
        }
    }

    /// What only grows, over the groups of a process.
    record Totals(
            long preemptions,
            long steps,
            long mixedSteps,
            long promptTokens,
            long cachedTokens,
            long generatedTokens,
            long expired,
            long refused) {
        static final Totals NONE = new Totals(0, 0, 0, 0, 0, 0, 0, 0);

        Totals plus(Totals more) {
            return new Totals(
                    preemptions + more.preemptions,
                    steps + more.steps,
                    mixedSteps + more.mixedSteps,
                    promptTokens + more.promptTokens,
                    cachedTokens + more.cachedTokens,
                    generatedTokens + more.generatedTokens,
                    expired + more.expired,
                    refused + more.refused);
        }
    }

    /// Throws unless blocks and slots balance.
    void checkIntegrity() {
        resources.checkIntegrity(sequences.running());
    }
}
