package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The state of one plan while its capacity scheduler works, and the sequences that run.
///
/// What a sequence gives up returns only when every step sent before has ended, because such a step
/// may still write to it.
final class PlanInProgress implements Capacity {
    private final int budget;
    private final KvCacheManager kv;
    private final SlotPool slots;
    private final WaitingRoom waiting;
    private final WaitingOrder order;
    private final MicroBatchScheduler microBatch;
    private final ResourceManager resources;
    private final Timeline timeline;
    private final List<Sequence> running = new ArrayList<>();
    private final List<Sequence> batch = new ArrayList<>();
    private final List<Sequence> withoutKv = new ArrayList<>();
    private final List<Sequence> admitted = new ArrayList<>();
    private final List<Sequence> candidates = new ArrayList<>();
    private long tokens;
    private @Nullable Sequence withoutVictim;
    private boolean nextIsKnown;
    private boolean nextHurries;
    private boolean toldGuaranteed;
    private boolean toldBestEffort;
    private long preemptions;
    private long promptTokens;
    private long cachedTokens;

    PlanInProgress(
            int budget,
            KvCacheManager kv,
            SlotPool slots,
            WaitingRoom waiting,
            WaitingOrder order,
            MicroBatchScheduler microBatch,
            ResourceManager resources,
            Timeline timeline) {
        this.budget = budget;
        this.kv = kv;
        this.slots = slots;
        this.waiting = waiting;
        this.order = order;
        this.microBatch = microBatch;
        this.resources = resources;
        this.timeline = timeline;
    }

    void begin(long nanos) {
        batch.clear();
        withoutKv.clear();
        admitted.clear();
        tokens = 0;
        withoutVictim = null;
        nextIsKnown = false;
        toldGuaranteed = false;
        toldBestEffort = false;
        kv.beginPlan(nanos);
    }

    /// The sequences of the step whose tokens are divided, in the order they were chosen.
    List<Sequence> batch() {
        return batch;
    }

    /// As [WaitingOrder#wantsShortSteps].
    boolean wantsShortSteps() {
        return waiting.wantsShortSteps();
    }

    /// Tokens for the batch of a short step, where there are so many.
    int share(int budget) {
        int decodes = 0;
        for (var sequence : batch) {
            decodes += sequence.prefilling() ? 0 : 1;
        }
        return decodes >= budget ? budget : Math.max(1, decodes + (budget - decodes) / 2);
    }

    /// Takes the prefills of others out of the step when one hurries. It says whether it did.
    boolean hurry() {
        candidates.clear();
        boolean hurries = false;
        for (var each : batch) {
            boolean first = each.prefilling() && waiting.hurries(each);
            hurries |= first;
            if (first || !each.prefilling()) {
                candidates.add(each);
            }
        }
        if (hurries) {
            batch.clear();
            batch.addAll(candidates);
        }
        return hurries;
    }

    /// Those that run whole in this step, without KV.
    List<Sequence> withoutKv() {
        return withoutKv;
    }

    boolean isEmpty() {
        return batch.isEmpty() && withoutKv.isEmpty();
    }

    List<Sequence> admitted() {
        return admitted;
    }

    /// How often a sequence was preempted.
    long preemptions() {
        return preemptions;
    }

    /// Known ids of all that were admitted, and how many of them were found in the cache.
    long promptTokens() {
        return promptTokens;
    }

    long cachedTokens() {
        return cachedTokens;
    }

    @Override
    public List<Sequence> running() {
        return running;
    }

    @Override
    public boolean wantsMore() {
        return microBatch.wantsMore(batch.size() + withoutKv.size(), tokens, budget)
                || nextHurries();
    }

    /// Looked up once, until somebody is admitted.
    private boolean nextHurries() {
        if (!nextIsKnown) {
            nextIsKnown = true;
            nextHurries =
                    slots.anyFree()
                            && !waiting.isEmpty()
                            && waiting.firstBestEffort().filter(waiting::hurries).isPresent();
        }
        return nextHurries;
    }

    @Override
    public boolean tryRun(Sequence sequence) {
        return tryRun(sequence, sequence.targetLength());
    }

    @Override
    public boolean tryRunOne(Sequence sequence) {
        return tryRun(sequence, sequence.computed() + 1);
    }

    private boolean tryRun(Sequence sequence, int length) {
        if (!kv.tryReserve(sequence, length)) {
            return false;
        }
        put(sequence);
        return true;
    }

    private void put(Sequence sequence) {
        batch.add(sequence);
        tokens += sequence.remaining();
    }

    @Override
    public boolean comesBack(Sequence sequence) {
        boolean runs = sequence.state() == Sequence.State.RUNNING;
        return kv.canReserveSoon(sequence, runs ? sequence.computed() + 1 : sequence.knownLength());
    }

    /// Tells the timelines of those that go next why they did not go in this plan, where no attempt
    /// to admit them told so. Nobody is tried when the step is full; in a step with room nobody was
    /// when a slot was missing, or memory for one before them.
    void tellWhoWaits() {
        if (waiting.isEmpty()) {
            return;
        }
        var why =
                !wantsMore()
                        ? Timeline.Reason.BUDGET
                        : slots.anyFree() ? Timeline.Reason.MEMORY : Timeline.Reason.SLOTS;
        if (!toldGuaranteed) {
            tell(waiting.firstGuaranteed(), why);
        }
        if (!toldBestEffort) {
            tell(waiting.firstBestEffort(), why);
        }
    }

    private void tell(Optional<Sequence> first, Timeline.Reason why) {
        if (first.isPresent() && first.get().pending() == 0) {
            waits(first.get(), why);
        }
    }

    private void waits(Sequence sequence, Timeline.Reason why) {
        toldGuaranteed |= sequence.guaranteed();
        toldBestEffort |= !sequence.guaranteed();
        timeline.waits(sequence, why);
    }

    @Override
    public Optional<Sequence> next() {
        if (waiting.isEmpty()) {
            return Optional.empty();
        }
        return admissible(waiting.first());
    }

    @Override
    public Optional<Sequence> nextBestEffort() {
        return waiting.isEmpty() ? Optional.empty() : admissible(waiting.firstBestEffort());
    }

    private Optional<Sequence> admissible(Optional<Sequence> first) {
        if (first.isEmpty() || first.get().pending() > 0) {
            return Optional.empty();
        }
        if (!slots.anyFree()) {
            waits(first.get(), Timeline.Reason.SLOTS);
            makeRoomFor(first.get());
            return Optional.empty();
        }
        return first;
    }

    /// A slot comes back when the steps in flight have ended. Where nobody makes room, nobody does
    /// until somebody is preempted.
    private void makeRoomFor(Sequence first) {
        if (slots.anyReturning() || first == withoutVictim) {
            return;
        }
        var victim = first.guaranteed() ? victim() : victimFor(first);
        if (victim.isPresent()) {
            preempt(victim.get());
        } else {
            withoutVictim = first;
        }
    }

    @Override
    public boolean tryAdmit(Sequence sequence) {
        if (fitsWithoutKv(sequence)) {
            admitWithoutKv(sequence);
            return true;
        }
        int cached = kv.tryAdmit(sequence);
        if (cached < 0) {
            waits(sequence, Timeline.Reason.MEMORY);
            return false;
        }
        waiting.remove(sequence);
        sequence.admit(slots.take(), cached);
        admitted(sequence, cached);
        put(sequence);
        return true;
    }

    /// One that keeps nothing needs no blocks, when the step has room for all of it.
    private boolean fitsWithoutKv(Sequence sequence) {
        return !sequence.generates() && tokens + sequence.promptLength() <= budget;
    }

    private void admitWithoutKv(Sequence sequence) {
        waiting.remove(sequence);
        sequence.admitWithoutKv(slots.take());
        admitted(sequence, 0);
        withoutKv.add(sequence);
        tokens += sequence.promptLength();
    }

    private void admitted(Sequence sequence, int cached) {
        running.add(sequence);
        admitted.add(sequence);
        promptTokens += sequence.knownLength();
        cachedTokens += cached;
        waiting.admitted(sequence, cached);
        nextIsKnown = false;
    }

    @Override
    public boolean fitsToCompletion(Sequence sequence) {
        boolean fits = fitsWithoutKv(sequence) || kv.fitsToCompletion(sequence, running);
        if (!fits) {
            waits(sequence, Timeline.Reason.MEMORY);
        }
        return fits;
    }

    @Override
    public boolean fitsBesideGuaranteed(Sequence sequence) {
        candidates.clear();
        for (var each : running) {
            if (each.guaranteed()) {
                candidates.add(each);
            }
        }
        boolean fits = fitsWithoutKv(sequence) || kv.fitsBeside(sequence, candidates);
        if (!fits) {
            waits(sequence, Timeline.Reason.MEMORY);
        }
        return fits;
    }

    @Override
    public Optional<Sequence> victim() {
        collectPausable(null);
        return candidates.isEmpty() ? Optional.empty() : Optional.of(order.victim(candidates));
    }

    @Override
    public Optional<Sequence> victimFor(Sequence sequence) {
        collectPausable(sequence);
        return candidates.isEmpty() ? Optional.empty() : Optional.of(order.victim(candidates));
    }

    private void collectPausable(@Nullable Sequence waitingOne) {
        candidates.clear();
        for (var each : running) {
            boolean pausable = !each.guaranteed() && !each.withoutKv() && !admitted.contains(each);
            if (pausable && (waitingOne == null || order.yields(each, waitingOne))) {
                candidates.add(each);
            }
        }
    }

    @Override
    public void preempt(Sequence sequence) {
        if (!running.remove(sequence)) {
            throw new IllegalStateException(sequence + " does not run");
        }
        if (batch.remove(sequence)) {
            tokens -= sequence.remaining();
        }
        resources.freeResources(sequence);
        sequence.preempt();
        waiting.add(sequence);
        timeline.preempted(sequence);
        withoutVictim = null;
        preemptions++;
    }

    /// Takes a live sequence out for good.
    void end(Sequence sequence, Sequence.State terminal) {
        if (sequence.state() == Sequence.State.RUNNING) {
            running.remove(sequence);
            resources.freeResources(sequence);
        } else {
            waiting.remove(sequence);
        }
        sequence.end(terminal);
        timeline.ended(sequence);
    }
}
