// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static java.util.Objects.requireNonNull;

import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.function.ToDoubleFunction;

/// A scheduler and a worker on virtual time whose steps take what a model of their cost says:
///
/// ```
/// time of a step = fixed + per token · cost,  so that a full step takes the goal
/// ```
///
/// Requests arrive at given times; the time of each first token is kept.
final class TimedGroup {
    static final int STEP_TOKENS = 1024;
    static final int DOUBLING_POSITION = 4000;
    static final long MILLI = 1_000_000;
    private static final long GOAL = StepTime.GOAL_MICROS * 1000;

    private final Scheduler scheduler;
    private final long fixedNanos;
    private final PriorityQueue<Arrival> arrivals = new PriorityQueue<>();
    private final ArrayDeque<Running> inFlight = new ArrayDeque<>();
    private final Random random = new Random(7);
    private final Map<Sequence, Long> arrivedAt = new HashMap<>();
    private final StepTime cost;
    private long workerFreeAt;
    private long count;

    /// Time to the first token of each accepted request, by its prompt's length, in milliseconds.
    final Map<Integer, List<Long>> firstTokenMillis = new HashMap<>();

    /// Refused requests by the length of their prompt.
    final Map<Integer, List<Submission>> refused = new HashMap<>();

    private record Arrival(long time, long number, int prompt, int maxTokens, String tenant)
            implements Comparable<Arrival> {
        @Override
        public int compareTo(Arrival other) {
            return time != other.time
                    ? Long.compare(time, other.time)
                    : Long.compare(number, other.number);
        }
    }

    private record Running(StepPlan plan, long end, StepResult result) {}

    /// @param fixedMillis the part of a step's time that does not depend on its tokens
    TimedGroup(Policies policies, WaitingLimits limits, long fixedMillis, int blocks) {
        GroupShape shape = shape(blocks);
        this.cost = new StepTime(shape);
        this.fixedNanos = fixedMillis * MILLI;
        this.scheduler =
                new Scheduler(
                        shape,
                        limits,
                        policies,
                        new BlockHasher(FakeWorker.KEY),
                        CacheEvents.NONE,
                        new Timeline(1 << 10));
    }

    private static GroupShape shape(int blocks) {
        return new GroupShape(
                1,
                64,
                STEP_TOKENS,
                DOUBLING_POSITION,
                STEP_TOKENS,
                9000,
                16,
                blocks,
                List.of(KvGroupShape.full(64)));
    }

    /// Returns what counts the cost of tokens as the scheduler does.
    static StepTime cost() {
        return new StepTime(shape(2));
    }

    TimedGroup arrive(long millis, int prompt, int maxTokens) {
        return arrive(millis, prompt, maxTokens, "");
    }

    TimedGroup arrive(long millis, int prompt, int maxTokens, String tenant) {
        arrivals.add(new Arrival(millis * MILLI, count++, prompt, maxTokens, tenant));
        return this;
    }

    /// Runs until every accepted request has ended.
    TimedGroup run() {
        long now = 0;
        while (!arrivals.isEmpty() || !inFlight.isEmpty() || load() > 0) {
            while (!arrivals.isEmpty() && arrivals.peek().time() <= now) {
                submit(arrivals.remove());
            }
            while (!inFlight.isEmpty() && inFlight.peek().end() <= now) {
                apply(inFlight.remove());
            }
            while (scheduler.canPlan(now) && plan(now)) {}
            scheduler.checkIntegrity();
            now = next(now);
        }
        return this;
    }

    private long load() {
        return (long) scheduler.load().running() + scheduler.load().waiting();
    }

    private long next(long now) {
        long next = arrivals.isEmpty() ? Long.MAX_VALUE : arrivals.peek().time();
        if (!inFlight.isEmpty()) {
            next = Math.min(next, inFlight.peek().end());
        }
        long planAt = scheduler.planAt();
        next = planAt > now ? Math.min(next, planAt) : next;
        if (next == Long.MAX_VALUE && load() > 0) {
            throw new IllegalStateException("nothing moves: " + scheduler.load());
        }
        return next;
    }

    private void submit(Arrival arrival) {
        int[] prompt = random.ints(arrival.prompt(), 1, 1000).toArray();
        var options =
                new SchedulingOptions(
                        arrival.tenant(),
                        0,
                        false,
                        SchedulingOptions.NO_DEADLINE,
                        SchedulingOptions.Domain.COMMON,
                        35,
                        0);
        var sequence =
                new Sequence(
                        arrival.number(),
                        "r" + arrival.number(),
                        prompt,
                        Choice.of(arrival.maxTokens()),
                        WantedOutputs.NONE,
                        options,
                        Optional.empty(),
                        1);
        Submission submission = scheduler.submit(List.of(sequence), arrival.time());
        if (submission instanceof Submission.Queued) {
            arrivedAt.put(sequence, arrival.time());
        } else {
            refused.computeIfAbsent(arrival.prompt(), _ -> new ArrayList<>()).add(submission);
        }
    }

    private boolean plan(long now) {
        StepPlan plan = scheduler.plan(now);
        if (plan.isEmpty()) {
            return false;
        }
        double tokens = 0;
        var sampled = new ArrayList<StepResult.Sampled>();
        for (StepPlan.Row row : plan.rows()) {
            tokens += cost.cost(row.computed(), row.count());
            if (row.samples()) {
                sampled.add(new StepResult.Sampled(row.slot(), SampledToken.of(7)));
            }
        }
        double perToken = (GOAL - fixedNanos) / cost.cost(0, STEP_TOKENS);
        long nanos = fixedNanos + (long) (perToken * tokens);
        workerFreeAt = Math.max(now, workerFreeAt) + nanos;
        var result = new StepResult(1, plan.number(), sampled, nanos / 1000);
        inFlight.add(new Running(plan, workerFreeAt, result));
        return true;
    }

    private void apply(Running step) {
        for (SequenceEvent event : scheduler.apply(step.result(), step.end())) {
            if (event instanceof SequenceEvent.Generated(var sequence, var position, var _)
                    && position == 0) {
                firstTokenMillis
                        .computeIfAbsent(sequence.promptLength(), _ -> new ArrayList<>())
                        .add((step.end() - requireNonNull(arrivedAt.get(sequence))) / MILLI);
            }
        }
    }

    /// Returns a figure of the times to the first token of prompts of this length.
    long millis(int prompt, ToDoubleFunction<List<Long>> figure) {
        return Math.round(figure.applyAsDouble(firstTokenMillis.getOrDefault(prompt, List.of())));
    }

    static double mean(List<Long> times) {
        return times.stream().mapToLong(each -> each).average().orElseThrow();
    }

    static double max(List<Long> times) {
        return times.stream().mapToLong(each -> each).max().orElseThrow();
    }
}
