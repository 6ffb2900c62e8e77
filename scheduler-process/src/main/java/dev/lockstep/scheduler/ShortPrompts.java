// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;

/// The prefills that do not wait for longer ones: those that take at most a fourth of a full step.
/// Together they get at most a fourth of each step, so that the others never stop.
///
/// Without it a request of a few tokens waits until every prompt before it has been computed. A
/// prompt that is nearly all cached is a short one too. One that is nearly done keeps its rest in
/// the step, but is no reason for short steps: no other comes for it.
final class ShortPrompts {
    private static final int PART = 4;

    /// Waiting sequences that one look-up checks.
    private static final int MAX_CHECKED = 64;

    /// How long steps stay short after a short prompt ran beside longer ones: the next one comes
    /// soon.
    private static final long RECENT_NANOS = TimeUnit.SECONDS.toNanos(10);

    /// Weight of the measurements before a step.
    private static final double KEEP = 0.75;

    private final StepTime stepTime;
    private final TreeSet<Sequence> waiting =
            new TreeSet<>(Comparator.comparingLong(Sequence::arrival));
    private final List<Sequence> inStep = new ArrayList<>();
    private long waitingCost;
    private double cost;
    private long shortUntil = Long.MIN_VALUE;
    private double aloneNanos;
    private double aloneCost;

    ShortPrompts(StepTime stepTime) {
        this.stepTime = stepTime;
    }

    /// Returns the cost of a short prompt, and of all of them in a step, at most, as
    /// [StepTime#cost] counts it.
    double limit() {
        return stepTime.cost(0, stepTime.tokens()) / PART;
    }

    /// Adds a waiting best-effort sequence whose expected prefill is known, if it is short.
    void add(Sequence sequence) {
        if (isShort(sequence) && waiting.add(sequence)) {
            waitingCost += sequence.expectedCost;
        }
    }

    void remove(Sequence sequence) {
        if (waiting.remove(sequence)) {
            waitingCost -= sequence.expectedCost;
        }
    }

    void clear() {
        waiting.clear();
        waitingCost = 0;
    }

    /// Cost of the prefills of all waiting short prompts.
    long waitingCost() {
        return waitingCost;
    }

    /// Starts a new plan.
    void beginPlan() {
        inStep.clear();
        cost = 0;
    }

    /// Whether the rest of a running prompt is short and has room beside the others of the step.
    boolean fits(Sequence sequence) {
        return fits(cost(sequence));
    }

    private boolean fits(double more) {
        return cost + more <= limit();
    }

    private double cost(Sequence sequence) {
        return stepTime.cost(sequence.computed(), sequence.remaining());
    }

    /// Counts a sequence that the step has as short, if it is and has room.
    void chosen(Sequence sequence) {
        if (sequence.prefilling() && fits(sequence)) {
            inStep.add(sequence);
            cost += cost(sequence);
        }
    }

    /// Whether all of its prefill is short.
    boolean isShort(Sequence sequence) {
        return sequence.expectedCost <= limit();
    }

    void dropped(Sequence sequence) {
        if (inStep.remove(sequence)) {
            cost -= cost(sequence);
        }
    }

    boolean inStep(Sequence sequence) {
        return inStep.contains(sequence);
    }

    /// Returns the oldest waiting short prompt that has room in the step and may go before `first`.
    Optional<Sequence> next(Sequence first, WaitingOrder order) {
        int checked = 0;
        for (Sequence each : waiting) {
            if (++checked > MAX_CHECKED) {
                break;
            }
            if (each.follows == null
                    && each.pending() == 0
                    && fits((double) each.expectedCost)
                    && (each == first || order.mayPass(each, first))) {
                return Optional.of(each);
            }
        }
        return Optional.empty();
    }

    /// Moves short prompts to the front of a batch that has longer ones too; a policy that divides
    /// in order serves them first. Returns whether steps should be short, so that the next one does
    /// not wait for long.
    boolean arrange(List<Sequence> batch, long nanos) {
        boolean longer = false;
        for (Sequence each : batch) {
            longer |= each.prefilling() && cost(each) > limit();
        }
        if (longer && !inStep.isEmpty()) {
            if (inStep.stream().anyMatch(this::isShort)) {
                shortUntil = nanos + RECENT_NANOS;
            }
            batch.removeAll(inStep);
            batch.addAll(0, inStep);
        }
        return longer && nanos < shortUntil;
    }

    /// Measures how long a step takes whose only prefills are short prompts.
    void ended(StepPlan plan, long micros) {
        double prefills = plan.prefillCount() == 0 ? 0 : stepTime.prefillCost(plan);
        if (prefills > 0 && prefills <= limit() && micros > 0) {
            double keep = aloneNanos == 0 ? 0 : KEEP;
            aloneNanos = keep * aloneNanos + (1 - keep) * micros * 1000;
            aloneCost = keep * aloneCost + (1 - keep) * prefills;
        }
    }

    /// Returns the highest cost of longer prefills in a short step: such a step then takes about
    /// twice the time of one with short prompts alone, so that on average they wait for it about as
    /// long as they take. Half of a step where that was not measured.
    double costOfOthers() {
        double half = stepTime.cost(0, stepTime.tokens()) / 2;
        double nanosPerCost = stepTime.nanosPerCost();
        boolean known = aloneNanos > 0 && nanosPerCost > 0;
        return known ? Math.min(half, aloneCost + aloneNanos / nanosPerCost) : half;
    }
}
