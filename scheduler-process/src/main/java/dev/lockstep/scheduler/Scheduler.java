package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
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
    private final KvCacheManager kv;
    private final Sequences sequences;
    private final CapacityScheduler capacity;
    private final MicroBatchScheduler microBatch = new MicroBatchScheduler();
    private final HashChain hashChain;
    private final ArrayDeque<StepPlan> inFlight = new ArrayDeque<>();
    private final List<Sequence> batch = new ArrayList<>();
    private final int[] tokens;
    private final @Nullable Token[] tokenOfSlot;
    private long steps;
    private long mixedSteps;

    Scheduler(GroupShape shape, WaitingLimits limits, BlockHasher hasher) {
        this.hashChain = new HashChain(hasher, shape.blockSize());
        this.shape = shape;
        this.limits = limits;
        this.kv = new KvCacheManager(shape.kvGroups(), shape.blocks(), shape.blockSize());
        this.sequences = new Sequences(kv, shape.maxSequences());
        this.capacity = new CapacityScheduler(kv, sequences);
        this.tokens = new int[shape.maxSequences()];
        this.tokenOfSlot = new Token[shape.maxSequences()];
    }

    /// Queues the choices of a request, all or none. An empty queue takes any request that can run,
    /// so that no limit makes one unservable.
    Submission submit(List<Sequence> choices) {
        long more = 0;
        for (var sequence : choices) {
            var unfit = unfit(sequence);
            if (!unfit.isEmpty()) {
                return new Submission.Unservable(unfit);
            }
            more += sequence.knownLength();
        }
        var waiting = sequences.waiting();
        if (!waiting.isEmpty()) {
            if (waiting.size() + choices.size() > limits.sequences()) {
                return new Submission.QueueFull(
                        waiting.size() + " sequences wait, the limit is " + limits.sequences());
            }
            if (waiting.tokens() + more > limits.tokens()) {
                return new Submission.QueueFull(
                        waiting.tokens()
                                + " tokens wait and "
                                + more
                                + " would come, the limit is "
                                + limits.tokens());
            }
        }
        choices.forEach(waiting::addLast);
        return new Submission.Queued();
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
    void cancel(Sequence sequence) {
        if (sequence.live()) {
            sequences.end(sequence, Sequence.State.CANCELLED);
        }
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
        batch.clear();
        kv.beginPlan();
        capacity.select(shape.maxBatchedTokens(), batch);
        if (batch.isEmpty()) {
            return StepPlan.empty(shape.epoch(), steps + 1, nanos);
        }
        microBatch.divide(batch, shape.maxBatchedTokens(), tokens);
        var plan =
                new StepPlan(
                        shape.epoch(),
                        steps + 1,
                        nanos,
                        sequences.takeReleasedSlots(),
                        sequences.takeAdmitted().stream().map(Scheduler::admission).toList(),
                        List.of(),
                        rows());
        inFlight.add(plan);
        sequences.stepSent();
        steps++;
        mixedSteps += plan.mixed() ? 1 : 0;
        return plan;
    }

    private static StepPlan.Admission admission(Sequence sequence) {
        return new StepPlan.Admission(sequence.slot(), sequence, sequence.copyOfOutputs());
    }

    private List<StepPlan.Row> rows() {
        var rows = new ArrayList<StepPlan.Row>(batch.size());
        for (int i = 0; i < batch.size(); i++) {
            var sequence = batch.get(i);
            int computed = sequence.computed();
            int count = Math.min(tokens[i], kv.room(sequence) - computed);
            if (count > 0) {
                boolean prefill = sequence.prefilling();
                var newBlocks = kv.extend(sequence, computed + count);
                boolean samples = sequence.send(count);
                rows.add(
                        new StepPlan.Row(
                                sequence,
                                sequence.slot(),
                                computed,
                                count,
                                samples,
                                prefill,
                                newBlocks,
                                hashChain.nameFullBlocks(sequence)));
            }
        }
        return rows;
    }

    /// Takes the result of the oldest step in flight. A result that does not answer that step is a
    /// broken worker: it throws and changes nothing.
    List<SequenceEvent> apply(StepResult result) {
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
        sequences.stepCompleted();
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
        if (sequence.state() == Sequence.State.WAITING) {
            sequences.waiting().grew();
        }
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
        var waiting = new ArrayList<Sequence>();
        for (var queue = sequences.waiting(); !queue.isEmpty(); queue.remove(queue.first())) {
            (queue.first().started() ? aborted : waiting).add(queue.first());
        }
        aborted.forEach(sequence -> sequence.end(Sequence.State.ABORTED));
        return new Loss(aborted, waiting);
    }

    record Loss(List<Sequence> aborted, List<Sequence> waiting) {}

    /// A snapshot for people and routers.
    Load load() {
        return new Load(
                sequences.running().size(),
                sequences.waiting().size(),
                kv.usableBlocks(),
                kv.freeBlocks(),
                sequences.pauses(),
                steps,
                mixedSteps);
    }

    record Load(
            int running,
            int waiting,
            long blocks,
            long freeBlocks,
            long preemptions,
            long steps,
            long mixedSteps) {}

    /// Throws unless blocks, slots and the order of arrival are as the laws say.
    void checkIntegrity() {
        sequences.checkIntegrity();
    }
}
