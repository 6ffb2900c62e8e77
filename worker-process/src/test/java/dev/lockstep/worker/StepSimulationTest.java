// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cluster.BlockHash;
import dev.lockstep.proto.v1.StepResult;
import dev.lockstep.worker.RunnerUnderTest.Reply;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Steps that end at random times, while others are launched, have the outcomes of steps that run
/// one after the other; an epoch that is aborted leaves the names of completed steps alone.
@Tag("sweep")
class StepSimulationTest {
    private static final int SEEDS = 30;
    private static final int STEPS = 24;

    @TempDir Path folder;

    /// The outcome of each step run alone, and the names of blocks after it.
    private record Expected(List<StepResult> results, List<Map<Integer, BlockHash>> names) {}

    @Test
    void outcomesAndNamesAreThoseOfStepsOneAfterTheOther() throws Exception {
        TinyCheckpoint.write(folder, 7);
        try (var test = new RunnerUnderTest(folder)) {
            long epoch = 0;
            for (int seed = 1; seed <= SEEDS; seed++) {
                var random = new Random(seed);
                epoch = simulate(test, random, epoch + 1, "seed " + seed);
            }
            assertTrue(!test.unusable.isDone());
        }
    }

    /// Runs an epoch that is aborted and one that keeps its blocks; returns the last epoch.
    private long simulate(RunnerUnderTest test, Random random, long epoch, String what)
            throws Exception {
        StepScript.Steps steps = StepScript.random(random, epoch, STEPS);
        Expected expected = expected(steps.all());
        test.begin(epoch, false);
        int stop = random.nextInt(STEPS + 1);
        Progress progress = run(test, random, steps.all().subList(0, stop));
        assertEquals(expected.results.subList(0, progress.completed), progress.results, what);
        test.runner.join(epoch + 1, RunnerUnderTest.KEY, test);
        Map<Integer, BlockHash> names = joined(test, expected, progress, what);
        test.kernels.late(false);
        int completed = progress.results.size();
        assertNames(expected, steps, completed, progress.sent, names, what);
        test.form(epoch + 1, true);
        StepScript.Steps next = StepScript.random(random, epoch + 1, STEPS);
        Progress whole = run(test, random, next.all());
        while (whole.results.size() < STEPS) {
            whole.add(test.nextLater());
        }
        test.kernels.late(false);
        assertEquals(expected(next.all()).results, whole.results, what);
        return epoch + 1;
    }

    /// What was sent and what has come back.
    private static final class Progress {
        final List<StepResult> results = new ArrayList<>();
        int sent;
        int completed;

        void add(Reply reply) {
            results.add(withoutTime(((Reply.Finished) reply).outcome()));
            completed++;
        }
    }

    /// Sends steps as a scheduler does, two in flight; lets the device finish steps at random.
    private static Progress run(RunnerUnderTest test, Random random, List<Step> steps)
            throws InterruptedException {
        test.kernels.late(true);
        var progress = new Progress();
        for (Step step : steps) {
            while (progress.sent - progress.completed == StepsInFlight.DEPTH) {
                progress.add(test.nextLater());
            }
            assertTrue(test.runner.run(step, test));
            progress.sent++;
            if (random.nextBoolean()) {
                test.kernels.reachNext();
            }
        }
        return progress;
    }

    /// Returns the names that the next epoch finds. Steps in flight may complete meanwhile, or
    /// fail.
    private static Map<Integer, BlockHash> joined(
            RunnerUnderTest test, Expected expected, Progress progress, String what)
            throws InterruptedException {
        while (true) {
            switch (test.nextLater()) {
                case Reply.Finished finished -> {
                    progress.add(finished);
                    assertEquals(
                            expected.results.get(progress.completed - 1),
                            progress.results.getLast(),
                            what);
                }
                case Reply.Failed failed ->
                        assertTrue(failed.message().contains("epoch"), () -> what + ": " + failed);
                case Reply.Joined joined -> {
                    return joined.names();
                }
                case Reply.Formed _, Reply.Canary _ -> throw new AssertionError(what);
            }
        }
    }

    private static void assertNames(
            Expected expected,
            StepScript.Steps steps,
            int completed,
            int sent,
            Map<Integer, BlockHash> names,
            String what) {
        Map<Integer, BlockHash> before =
                completed == 0 ? Map.of() : expected.names.get(completed - 1);
        Set<Integer> touched = new HashSet<>();
        steps.written().subList(completed, sent).forEach(touched::addAll);
        names.forEach((block, name) -> assertEquals(before.get(block), name, what));
        before.forEach(
                (block, name) ->
                        assertTrue(
                                touched.contains(block) || name.equals(names.get(block)),
                                () -> what + ": block " + block + " has lost its name"));
    }

    private Expected expected(List<Step> steps) throws IOException {
        var expected = new Expected(new ArrayList<>(), new ArrayList<>());
        try (TestWorker worker = TestWorker.onModel(folder, TestWorker.MAX_POSITIONS)) {
            try (Session session = worker.open(steps.getFirst().epoch())) {
                HeldBlocks held = worker.rank.held(RunnerUnderTest.KEY);
                for (Step step : steps) {
                    expected.results.add(withoutTime(session.run(step)));
                    Map<Integer, BlockHash> names = new TreeMap<>();
                    for (int block : held.blocks(0)) {
                        names.put(block, held.name(0, block).orElseThrow());
                    }
                    expected.names.add(names);
                }
            }
        }
        return expected;
    }

    private static StepResult withoutTime(StepOutcome outcome) {
        return StepMessages.toProto(outcome).toBuilder().setComputeMicros(0).build();
    }
}
