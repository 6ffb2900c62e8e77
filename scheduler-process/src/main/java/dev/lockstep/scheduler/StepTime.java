// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// Keeps a step as short as the goal, or as one of the given number of tokens at the beginning of
/// their sequences.
///
/// ```
/// cost of tokens [p, p + n) = n · (1 + (p + n / 2) / d)      d: where a token takes twice the time
/// ```
///
/// When what the micro-batch scheduler divided costs more, prefills get proportionally less of it,
/// so that long prompts do not slow down those that decode.
///
/// A number that the workers measured at their start is only the first one: a machine that was busy
/// then gets more tokens once its steps are fast, and fewer when many in a row are slow. The time
/// of a step comes in with its result, so that a recording replays to the same numbers.
final class StepTime {
    /// A prefill row with fewer tokens is not worth its cost.
    static final int MIN_CHUNK = 16;

    /// The goal for a step's time, which the workers' warm-up has too.
    static final long GOAL_MICROS = 250_000;

    /// The fastest of so many large steps counts: a short load of other processes changes nothing.
    static final int WINDOW = 8;

    /// A smaller change is not worth one.
    private static final double NOTICEABLE = 1.25;

    private final int doublingPosition;
    private final boolean measures;
    private final int limit;
    private final double[] fitting = new double[WINDOW];
    private int measurements;
    private int tokens;

    /// The cost that takes the goal, of the fastest recent large step; 0 until there was one.
    private double costOfGoal;

    StepTime(GroupShape shape) {
        this.doublingPosition = shape.doublingPosition();
        this.measures = shape.measuredTokens() > 0;
        this.limit = shape.maxBatchedTokens();
        this.tokens = measures ? shape.measuredTokens() : limit;
    }

    /// Returns the number of tokens that the next step may have.
    int tokens() {
        return tokens;
    }

    /// Records how long a step took.
    ///
    /// @param running sequences that run now: each of them keeps its token in a step, and prefills
    ///   keep a chunk
    /// @param micros 0 if it is unknown
    void ended(StepPlan plan, int running, long micros) {
        if (micros <= 0 || plan.prefillCount() == 0) {
            return;
        }
        double all = cost(plan);
        double prefills = prefillCost(plan);
        // A step of few tokens costs more for each of them.
        if (prefills >= cost(0, tokens) / 2) {
            fitting[measurements % WINDOW] = all * GOAL_MICROS / micros;
            measurements++;
            costOfGoal = 0;
            for (int i = 0; i < Math.min(measurements, WINDOW); i++) {
                costOfGoal = Math.max(costOfGoal, fitting[i]);
            }
            if (measures) {
                adjust(Math.min(limit, running + 2 * MIN_CHUNK));
            }
        }
    }

    private void adjust(int min) {
        double fits = tokensOf(costOfGoal);
        boolean more = fits >= NOTICEABLE * tokens && tokens < limit;
        boolean fewer = measurements >= WINDOW && fits * NOTICEABLE <= tokens && tokens > min;
        if (more || fewer) {
            // Steps of other sizes have other costs: one measurement says little about them.
            double lower = Math.max(tokens / 2.0, Math.min(min, tokens));
            tokens = (int) Math.clamp(fits, lower, Math.min(2.0 * tokens, limit));
            measurements = 0;
        }
    }

    /// Returns the number of tokens at the beginning of a sequence that have this cost.
    private double tokensOf(double cost) {
        double d = doublingPosition;
        return d == 0 ? cost : d * (Math.sqrt(1 + 2 * cost / d) - 1);
    }

    /// Returns what `count` tokens from `position` on cost, in tokens at the beginning of a
    /// sequence.
    double cost(int position, int count) {
        return doublingPosition == 0
                ? count
                : count * (1 + (position + count / 2.0) / doublingPosition);
    }

    /// Returns the cost of all rows of a step.
    double cost(StepPlan plan) {
        double cost = 0;
        for (int i = 0; i < plan.rows().size(); i++) {
            cost += cost(plan.rows().get(i).computed(), plan.rows().get(i).count());
        }
        return cost;
    }

    /// Returns the cost of the prefills of a step.
    double prefillCost(StepPlan plan) {
        double cost = 0;
        for (int i = 0; i < plan.rows().size(); i++) {
            StepPlan.Row row = plan.rows().get(i);
            cost += row.prefill() ? cost(row.computed(), row.count()) : 0;
        }
        return cost;
    }

    /// Returns the time of one unit of cost in a large step: of a recent one, else what warm-up
    /// found; 0 when the number of tokens was given and none was large.
    double nanosPerCost() {
        double known = costOfGoal > 0 || !measures ? costOfGoal : cost(0, tokens);
        return known > 0 ? GOAL_MICROS * 1000.0 / known : 0;
    }

    /// Lowers `tokens[i]`, those of `batch[i]`, where the step would take too long. Short prompts
    /// keep theirs as decodes do.
    ///
    /// @param maxOfOthers the highest cost of all other prefills together
    void limit(List<Sequence> batch, int[] tokens, ShortPrompts shortPrompts, double maxOfOthers) {
        if (doublingPosition == 0 && maxOfOthers == Double.MAX_VALUE) {
            return;
        }
        double decodes = 0;
        double prefills = 0;
        for (int i = 0; i < batch.size(); i++) {
            double cost = cost(batch.get(i).computed(), tokens[i]);
            if (batch.get(i).prefilling() && !shortPrompts.inStep(batch.get(i))) {
                prefills += cost;
            } else {
                decodes += cost;
            }
        }
        double max = Math.min(cost(0, this.tokens) - decodes, maxOfOthers);
        if (prefills <= max) {
            return;
        }
        double share = Math.max(0, max) / prefills;
        for (int i = 0; i < batch.size(); i++) {
            if (batch.get(i).prefilling() && !shortPrompts.inStep(batch.get(i))) {
                int less = Math.max(MIN_CHUNK, (int) (tokens[i] * share));
                tokens[i] = Math.min(tokens[i], less);
            }
        }
    }
}
