// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.worker.RunnerUnderTest.Reply;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// A rank on an emulated GPU and its step thread, and the epochs that a scheduler would send to it.
final class EmulatedRunner implements AutoCloseable, StepRunner.Replies {
    private static final int[] PROMPT = {5, 17, 200, 31, 8, 99, 301};
    private static final int DECODED = 3;

    /// The ids of a whole epoch: of each step one, of the last one two and those of the prompt.
    static final int IDS = DECODED + 3 + PROMPT.length - 1;

    final LoadedRank loaded;

    /// What the step thread reported that this process cannot mend.
    final CompletableFuture<Throwable> unusable = new CompletableFuture<>();

    private final StepRunner runner;
    private final BlockingQueue<Reply> replies = new LinkedBlockingQueue<>();
    private final List<Integer> checksums = new ArrayList<>();

    EmulatedRunner(Path model, int rank, int ranks) {
        loaded = EmulatedRank.load(model, rank, ranks, EmulatedRank.SMALL);
        runner = new StepRunner(loaded.rank(), Failpoints.NONE, unusable::complete);
    }

    /// Starts the step thread; the first epoch follows.
    void start() {
        runner.start();
    }

    /// What an epoch came to.
    ///
    /// @param ids that were sampled, empty on other ranks than 0
    /// @param checksums of the canary step and of each step, if there are two ranks
    /// @param failure the first one, after which nothing was sent
    record Ending(List<Integer> ids, List<Integer> checksums, Optional<Reply.Failed> failure) {
        /// Returns whether the next epoch could not join.
        boolean isAtItsEnd() {
            return ids.size() == IDS && failure.isPresent();
        }
    }

    /// Waits until all ranks have ended their steps.
    @FunctionalInterface
    interface Meeting {
        void await() throws InterruptedException;
    }

    /// Runs an epoch of one rank.
    Ending run(long epoch) throws InterruptedException {
        return run(epoch, new byte[0], () -> {});
    }

    /// Runs an epoch to its end or its first failure: it forms, prefills, decodes, scores a prompt,
    /// and ends when the next one joins.
    ///
    /// @param id with which the ranks meet
    /// @param beforeEnd is awaited after the last step that has not failed
    Ending run(long epoch, byte[] id, Meeting beforeEnd) throws InterruptedException {
        List<Integer> ids = new ArrayList<>();
        checksums.clear();
        runner.join(epoch, RunnerUnderTest.KEY, this);
        Optional<Reply.Failed> failure = failure(ids);
        if (failure.isEmpty()) {
            runner.form(
                    new StepRunner.Formation(
                            epoch,
                            "test",
                            id,
                            EmulatedRank.BLOCKS,
                            EmulatedRank.SEQUENCES,
                            Optional.of(EmulatedRank.TOKENS),
                            false,
                            1),
                    this);
            failure = failure(ids);
        }
        List<Step> steps = steps(epoch);
        for (int i = 0; i < steps.size() && failure.isEmpty(); i++) {
            runner.run(steps.get(i), this);
            failure = failure(ids);
        }
        if (failure.isEmpty()) {
            beforeEnd.await();
            runner.join(epoch + 1, RunnerUnderTest.KEY, this);
            failure = failure(ids);
        }
        return new Ending(ids, List.copyOf(checksums), failure);
    }

    /// Makes the collectives of the current epoch fail, as when the scheduler's stream ends.
    void abort() {
        runner.abort("the scheduler's stream has ended");
    }

    /// Waits for a reply, or for the end of the process.
    private Optional<Reply.Failed> failure(List<Integer> ids) throws InterruptedException {
        @Nullable Reply next = null;
        for (int tenths = 0; next == null && tenths < 10 * TestScheduler.SECONDS; tenths++) {
            next = replies.poll(100, TimeUnit.MILLISECONDS);
            if (next == null && unusable.isDone()) {
                return Optional.of(new Reply.Failed(0, 0, unusable.join().getMessage() + ""));
            }
        }
        return switch (next) {
            case null -> throw new AssertionError("no reply");
            case Reply.Failed failed -> Optional.of(failed);
            case Reply.Finished(StepOutcome outcome) -> {
                outcome.checksum().ifPresent(checksums::add);
                outcome.sampled().forEach(each -> ids.add(each.id()));
                outcome.outputs()
                        .forEach(each -> each.nextTokens().forEach(one -> ids.add(one.id())));
                yield Optional.empty();
            }
            case Reply.Formed formed -> {
                checksums.add(formed.canary().checksum());
                yield Optional.empty();
            }
            case Reply.Joined _, Reply.Canary _ -> Optional.empty();
        };
    }

    private static List<Step> steps(long epoch) {
        List<Step> steps = new ArrayList<>();
        steps.add(
                step(
                        epoch,
                        1,
                        List.of(TestWorker.admission(0, PROMPT, new int[0], TestWorker.seeded(3))),
                        TestWorker.row(0, 0, PROMPT.length, 1)));
        for (int i = 0; i < DECODED; i++) {
            steps.add(step(epoch, 2 + i, List.of(), TestWorker.row(0, PROMPT.length + i, 1)));
        }
        var scored = new OutputSettings(0, true, 2, true, OutputSettings.Pooling.NONE);
        steps.add(
                step(
                        epoch,
                        2 + DECODED,
                        List.of(
                                TestWorker.admission(1, PROMPT, new int[0], TestWorker.seeded(4))
                                        .with(TestWorker.seeded(4), scored)),
                        TestWorker.row(0, PROMPT.length + DECODED, 1),
                        TestWorker.row(1, 0, PROMPT.length, 2)));
        return steps;
    }

    private static Step step(
            long epoch, long number, List<Step.Admission> admitted, Step.Row... rows) {
        return new Step(epoch, number, new int[0], admitted, List.of(), List.of(rows));
    }

    @Override
    public void joined(long epoch, HeldBlocks held) {
        replies.add(new Reply.Joined(epoch, Map.of()));
    }

    @Override
    public void formed(long epoch, StepBudget budget, CanaryOutcome canary) {
        replies.add(new Reply.Formed(epoch, canary));
    }

    @Override
    public void canary(long epoch, long number, CanaryOutcome canary) {
        throw new AssertionError("canary step " + number);
    }

    @Override
    public void finished(StepOutcome outcome) {
        replies.add(new Reply.Finished(outcome));
    }

    @Override
    public void failed(long epoch, long number, String message) {
        replies.add(new Reply.Failed(epoch, number, message));
    }

    @Override
    public void close() {
        runner.close();
        loaded.kernels().attachThread();
        loaded.close();
    }
}
