// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The sequences of the step that is being planned, as its capacity scheduler chooses them.
final class PlanInProgress implements Capacity {
    private final StepTime stepTime;
    private final KvCacheManager kv;
    private final SlotPool slots;
    private final WaitingRoom waiting;
    private final WaitingOrder bestEffort;
    private final MicroBatchScheduler microBatch;
    private final RunningSequences running;
    private final Probation probation;
    private final ShortPrompts shortPrompts;
    private final WaitingReports reports;
    private final boolean keepsNothing;
    private final List<Sequence> batch = new ArrayList<>();
    private final List<Sequence> withoutKv = new ArrayList<>();
    private final List<Sequence> admitted = new ArrayList<>();
    private final List<Sequence> candidates = new ArrayList<>();
    private long tokens;
    private @Nullable Sequence withoutVictim;
    private @Nullable Boolean nextHurries;
    private @Nullable Sequence lacksMemory;

    /// @param stepTime has the number of tokens of a step
    /// @param keepsNothing as [GroupShape#keepsNothing]
    /// @param bestEffort the waiting order of sequences that are not guaranteed
    PlanInProgress(
            StepTime stepTime,
            boolean keepsNothing,
            KvCacheManager kv,
            SlotPool slots,
            WaitingRoom waiting,
            WaitingOrder bestEffort,
            MicroBatchScheduler microBatch,
            RunningSequences running,
            Probation probation,
            ShortPrompts shortPrompts,
            Timeline timeline) {
        this.stepTime = stepTime;
        this.keepsNothing = keepsNothing;
        this.kv = kv;
        this.slots = slots;
        this.waiting = waiting;
        this.bestEffort = bestEffort;
        this.microBatch = microBatch;
        this.running = running;
        this.probation = probation;
        this.shortPrompts = shortPrompts;
        this.reports = new WaitingReports(waiting, timeline);
    }

    /// Chooses the sequences of the next step. When a preemption leaves the step empty and no step
    /// is in flight, the freed memory is available at once, so that another attempt can use it.
    ///
    /// @param idle whether no step is in flight
    void select(CapacityScheduler capacity, long nanos, boolean idle) {
        long preemptions;
        do {
            preemptions = running.preemptions();
            begin(nanos);
            capacity.select(this);
        } while (isEmpty() && idle && running.preemptions() > preemptions);
        reportWaiting();
    }

    private void begin(long nanos) {
        batch.clear();
        withoutKv.clear();
        admitted.clear();
        tokens = 0;
        withoutVictim = null;
        nextHurries = null;
        lacksMemory = null;
        shortPrompts.beginPlan();
        reports.begin();
        kv.beginPlan(nanos);
    }

    /// Sequences that share the tokens of the step, in the order they were chosen.
    List<Sequence> batch() {
        return batch;
    }

    /// Sequences that run whole in this step, without KV.
    List<Sequence> withoutKv() {
        return withoutKv;
    }

    List<Sequence> admitted() {
        return admitted;
    }

    private boolean isEmpty() {
        return batch.isEmpty() && withoutKv.isEmpty();
    }

    /// Tokens that a short step divides among the batch, of at most `max`: all decodes, and half of
    /// the remaining budget for prefills.
    int shortStepTokens(int max) {
        int decodes = 0;
        for (Sequence sequence : batch) {
            decodes += sequence.prefilling() ? 0 : 1;
        }
        return decodes >= max ? max : Math.max(1, decodes + (max - decodes) / 2);
    }

    /// Moves short prompts to the front of the batch. Returns whether steps should be short.
    boolean arrangeShortPrompts(long nanos) {
        return shortPrompts.arrange(batch, nanos);
    }

    /// Removes other prefills from the batch when a sequence in it hurries. Returns whether one
    /// does.
    ///
    /// @param byOrder whether the waiting order tells which ones hurry; short prompts do anyway
    boolean keepOnlyHurryingPrefills(boolean byOrder) {
        candidates.clear();
        boolean hurries = false;
        for (Sequence each : batch) {
            boolean first =
                    each.prefilling()
                            && (shortPrompts.inStep(each) || (byOrder && waiting.hurries(each)));
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

    /// Removes all others from the batch when suspects must run apart. Returns whether suspects are
    /// left.
    boolean keepSuspectsApart() {
        if (!probation.active()) {
            return false;
        }
        List<Sequence> apart = probation.apart(batch);
        if (!apart.isEmpty()) {
            batch.clear();
            batch.addAll(apart);
        }
        return true;
    }

    @Override
    public List<Sequence> running() {
        return running.all();
    }

    @Override
    public boolean wantsMore() {
        return microBatch.wantsMore(batch.size() + withoutKv.size(), tokens, stepTime.tokens())
                || nextHurries();
    }

    /// Whether the next best-effort sequence hurries; looked up once, and again after an admission.
    private boolean nextHurries() {
        if (nextHurries == null) {
            nextHurries =
                    slots.hasFree()
                            && !waiting.isEmpty()
                            && waiting.firstBestEffort().filter(waiting::hurries).isPresent();
        }
        return nextHurries;
    }

    @Override
    public boolean wants(Sequence running) {
        boolean decodes = !running.prefilling();
        return running.remaining() > 0
                && (wantsMore() || (decodes ? hasTokenLeft() : shortPrompts.fits(running)));
    }

    private boolean hasTokenLeft() {
        return batch.size() + withoutKv.size() < stepTime.tokens();
    }

    @Override
    public boolean tryRun(Sequence sequence) {
        return tryRun(sequence, sequence.targetLength());
    }

    @Override
    public boolean tryRunOneToken(Sequence sequence) {
        return tryRun(sequence, sequence.computed() + 1);
    }

    private boolean tryRun(Sequence sequence, int length) {
        if (!kv.tryReserve(sequence, length)) {
            return false;
        }
        addToBatch(sequence);
        return true;
    }

    private void addToBatch(Sequence sequence) {
        batch.add(sequence);
        sequence.limitRow(kv.cutRow(sequence, sequence.remaining()));
        tokens += sequence.rowLimit();
        shortPrompts.chosen(sequence);
    }

    @Override
    public boolean memoryReturnsSoon(Sequence sequence) {
        boolean runs = sequence.state() == Sequence.State.RUNNING;
        return kv.canReserveSoon(sequence, runs ? sequence.computed() + 1 : sequence.knownLength());
    }

    /// Reports why the next sequences wait. No admission is attempted when the step is full; in a
    /// step with room none was attempted because no slot was free, or memory was missing for a
    /// sequence ahead of them.
    private void reportWaiting() {
        if (!waiting.isEmpty()) {
            reports.reportRemaining(
                    !wantsMore()
                            ? Timeline.Reason.BUDGET
                            : slots.hasFree() ? Timeline.Reason.MEMORY : Timeline.Reason.SLOTS);
        }
    }

    @Override
    public Optional<Sequence> next() {
        return waiting.isEmpty() ? Optional.empty() : admissible(waiting.first());
    }

    @Override
    public Optional<Sequence> nextBestEffort() {
        return waiting.isEmpty() ? Optional.empty() : admissible(waiting.firstBestEffort());
    }

    @Override
    public Optional<Sequence> nextShort() {
        if (waiting.isEmpty() || !slots.hasFree() || probation.active()) {
            return Optional.empty();
        }
        Optional<Sequence> next = waiting.nextShort();
        return next.filter(each -> lacksMemory == null || mayPass(each, lacksMemory));
    }

    /// Whether a sequence may take memory before one that lacks it: those that do have together at
    /// most as many tokens as that one, so that it is not passed for ever.
    private static boolean mayPass(Sequence shorter, Sequence lacking) {
        return shorter == lacking
                || lacking.passed + shorter.expectedPrefill <= lacking.expectedPrefill;
    }

    private Optional<Sequence> admissible(Optional<Sequence> first) {
        if (first.isEmpty()
                || first.get().pending() > 0
                || !probation.admits(first.get(), running.all(), admitted)) {
            return Optional.empty();
        }
        if (!slots.hasFree()) {
            reports.report(first.get(), Timeline.Reason.SLOTS);
            freeSlotFor(first.get());
            return Optional.empty();
        }
        return first;
    }

    /// Preempts a sequence for its slot, unless one is about to be free. When no sequence can be
    /// preempted for `first`, that holds until the next preemption.
    private void freeSlotFor(Sequence first) {
        if (slots.hasReturning() || first == withoutVictim) {
            return;
        }
        Optional<Sequence> victim = first.guaranteed() ? victim() : victimFor(first);
        if (victim.isPresent()) {
            preempt(victim.get());
        } else {
            withoutVictim = first;
        }
    }

    @Override
    public boolean tryAdmit(Sequence sequence) {
        if (fitsWithoutKv(sequence)) {
            running.admitWithoutKv(sequence);
            withoutKv.add(sequence);
            tokens += sequence.promptLength();
        } else if (keepsNothing) {
            reportLacking(sequence);
            return false;
        } else {
            int cached = kv.tryAdmit(sequence);
            if (cached < 0) {
                reportLacking(sequence);
                return false;
            }
            if (lacksMemory != null && lacksMemory != sequence) {
                lacksMemory.passed += sequence.expectedPrefill;
            }
            running.admit(sequence, cached);
            addToBatch(sequence);
        }
        admitted.add(sequence);
        nextHurries = null;
        return true;
    }

    /// Whether a sequence needs no blocks, because the step has room for all of it and it generates
    /// nothing. With blocks it can wait while suspects run apart.
    ///
    /// A model that keeps nothing has no other way. A prompt that takes longer than a step's goal
    /// has a step of its own.
    private boolean fitsWithoutKv(Sequence sequence) {
        if (keepsNothing) {
            return isEmpty() || tokens + sequence.promptLength() <= stepTime.tokens();
        }
        return !sequence.generates()
                && tokens + sequence.promptLength() <= stepTime.tokens()
                && !probation.active();
    }

    @Override
    public boolean fitsToCompletion(Sequence sequence) {
        return reportUnless(
                fitsWithoutKv(sequence) || kv.fitsToCompletion(sequence, running.all()), sequence);
    }

    @Override
    public boolean fitsBesideGuaranteed(Sequence sequence) {
        candidates.clear();
        for (Sequence each : running.all()) {
            if (each.guaranteed()) {
                candidates.add(each);
            }
        }
        return reportUnless(
                fitsWithoutKv(sequence) || kv.fitsBeside(sequence, candidates), sequence);
    }

    private boolean reportUnless(boolean fits, Sequence sequence) {
        if (!fits) {
            reportLacking(sequence);
        }
        return fits;
    }

    private void reportLacking(Sequence sequence) {
        if (keepsNothing) {
            reports.report(sequence, Timeline.Reason.BUDGET);
            return;
        }
        lacksMemory = lacksMemory == null ? sequence : lacksMemory;
        reports.report(sequence, Timeline.Reason.MEMORY);
    }

    @Override
    public Optional<Sequence> victim() {
        return victimAmong(null);
    }

    @Override
    public Optional<Sequence> victimFor(Sequence sequence) {
        return victimAmong(sequence);
    }

    /// @param waitingOne restricts the victims to sequences that yield to this one; null for no
    ///   restriction
    private Optional<Sequence> victimAmong(@Nullable Sequence waitingOne) {
        candidates.clear();
        for (Sequence each : running.all()) {
            boolean preemptible =
                    !each.guaranteed() && !each.withoutKv() && !admitted.contains(each);
            if (preemptible && (waitingOne == null || bestEffort.yields(each, waitingOne))) {
                candidates.add(each);
            }
        }
        return candidates.isEmpty() ? Optional.empty() : Optional.of(bestEffort.victim(candidates));
    }

    @Override
    public void preempt(Sequence sequence) {
        if (batch.remove(sequence)) {
            tokens -= sequence.rowLimit();
            shortPrompts.dropped(sequence);
        }
        running.preempt(sequence);
        withoutVictim = null;
    }
}
