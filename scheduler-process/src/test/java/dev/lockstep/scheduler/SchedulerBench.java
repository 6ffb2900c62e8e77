// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHasher;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/// The cost of one step in the scheduler: `plan` and `apply` with 1,024 running and 10,000 waiting
/// sequences. Run by `scripts/bench scheduler`.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class SchedulerBench {
    private static final int RUNNING = 1024;
    private static final int WAITING = 10_000;
    private static final int BLOCK_SIZE = 16;
    private static final int BLOCKS = 1_000_000;
    private static final int CONTEXT = 1 << 20;

    /// The measured waiting order.
    @Param({"fcfs", "fair", "longest-prefix"})
    public String order = "fcfs";

    private Scheduler scheduler = scheduler("fcfs", 2);
    private final ArrayDeque<StepPlan> inFlight = new ArrayDeque<>();
    private final List<StepResult.Sampled> sampled = new ArrayList<>();
    private long arrivals;
    private long nanos;

    private static Scheduler scheduler(String order, int blocks) {
        var shape = new GroupShape(1, RUNNING, 2 * RUNNING, CONTEXT, BLOCK_SIZE, blocks, groups());
        return new Scheduler(
                shape,
                new WaitingLimits(2 * WAITING, Long.MAX_VALUE),
                new Policies("maximum-utilization", "fcfs", order, Map.of(), true),
                new BlockHasher("sixteen bytes it".getBytes(StandardCharsets.UTF_8)),
                CacheEvents.NONE,
                new Timeline(1 << 16));
    }

    private static List<KvGroupShape> groups() {
        return List.of(KvGroupShape.full(64));
    }

    /// Fills all slots and the queue; each iteration begins with short sequences.
    @Setup(Level.Iteration)
    public void fill() {
        var random = new Random(1);
        scheduler = scheduler(order, BLOCKS);
        inFlight.clear();
        sampled.clear();
        for (int slot = 0; slot < RUNNING; slot++) {
            sampled.add(new StepResult.Sampled(slot, SampledToken.of(7)));
        }
        for (int i = 0; i < RUNNING + WAITING; i++) {
            int[] prompt = random.ints(128, 0, 50_000).toArray();
            var options =
                    new SchedulingOptions(
                            "tenant " + i % 16,
                            0,
                            false,
                            SchedulingOptions.NO_DEADLINE,
                            SchedulingOptions.Domain.COMMON,
                            BlockPool.DEFAULT_PRIORITY,
                            0);
            var sequence =
                    new Sequence(
                            arrivals++,
                            "request " + i,
                            prompt,
                            Choice.of(CONTEXT / 2),
                            WantedOutputs.NONE,
                            options,
                            Optional.empty(),
                            1);
            scheduler.submit(List.of(sequence), nanos);
        }
        StepPlan plan = scheduler.plan(nanos);
        while (plan.rows().size() < RUNNING || plan.tokenCount() > RUNNING) {
            answer(plan);
            plan = scheduler.plan(nanos++);
        }
        inFlight.add(plan);
        inFlight.add(scheduler.plan(nanos++));
    }

    private void answer(StepPlan plan) {
        var tokens = new ArrayList<StepResult.Sampled>();
        for (StepPlan.Row row : plan.rows()) {
            if (row.samples()) {
                tokens.add(new StepResult.Sampled(row.slot(), SampledToken.of(7)));
            }
        }
        scheduler.apply(new StepResult(1, plan.number(), tokens, 1), nanos++);
    }

    /// Applies the result of the oldest step and plans the next one.
    @Benchmark
    public StepPlan step() {
        StepPlan oldest = inFlight.remove();
        scheduler.apply(new StepResult(1, oldest.number(), sampled, 1), nanos++);
        StepPlan plan = scheduler.plan(nanos++);
        inFlight.add(plan);
        return plan;
    }
}
