// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.nccl.Communicator;
import dev.lockstep.nccl.CommunicatorAbortedException;
import dev.lockstep.nccl.SoloCommunicator;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Failures of an epoch whose ranks are still meeting.
class FormingTest {
    @TempDir Path folder;
    private final Replies replies = new Replies();

    private static final class Replies implements StepRunner.Replies {
        final BlockingQueue<String> lines = new LinkedBlockingQueue<>();

        @Override
        public void joined(long epoch, HeldBlocks held) {
            lines.add("joined " + epoch);
        }

        @Override
        public void formed(long epoch, StepBudget budget, CanaryOutcome canary) {
            lines.add("formed " + epoch);
        }

        @Override
        public void canary(long epoch, long number, CanaryOutcome canary) {
            lines.add("canary " + number);
        }

        @Override
        public void finished(StepOutcome outcome) {
            lines.add("finished " + outcome.number());
        }

        @Override
        public void failed(long epoch, long number, String message) {
            lines.add("failed %d: %s".formatted(epoch, message));
        }

        String next() throws InterruptedException {
            return lines.poll(TestScheduler.SECONDS, TimeUnit.SECONDS) + "";
        }
    }

    private interface Meeting {
        Communicator meet(Kernels kernels, Supplier<String> abortReason)
                throws InterruptedException;
    }

    private record TestConnector(Kernels kernels, Meeting meeting) implements Connector {
        @Override
        public boolean needsOneHost() {
            return false;
        }

        @Override
        public Communicator connect(
                StepRunner.Formation formation, long bytes, Supplier<String> abortReason) {
            try {
                return meeting.meet(kernels, abortReason);
            } catch (InterruptedException e) {
                throw new IllegalStateException("interrupted", e);
            }
        }
    }

    private TestWorker worker(Meeting meeting) throws IOException {
        TinyCheckpoint.write(folder, 7);
        return TestWorker.onModel(
                folder,
                TestWorker.MAX_POSITIONS,
                kernels -> new TestConnector(kernels, meeting),
                List.of());
    }

    @Test
    void anAbortWhileRanksMeetFailsTheFormationAndTheNextOneForms() throws Exception {
        var meeting = new CountDownLatch(1);
        var met = new CountDownLatch(1);
        Meeting late =
                (kernels, _) -> {
                    meeting.countDown();
                    assertTrue(met.await(TestScheduler.SECONDS, TimeUnit.SECONDS));
                    return new SoloCommunicator(kernels);
                };
        try (TestWorker worker = worker(late);
                var runner = new StepRunner(worker.rank, Failpoints.NONE, _ -> {})) {
            runner.start();
            join(runner, 1);
            runner.form(formation(1), replies);
            assertTrue(meeting.await(TestScheduler.SECONDS, TimeUnit.SECONDS));
            runner.abort("the scheduler's stream has ended");
            met.countDown();
            assertEquals(
                    "failed 1: aborted by rank 0: the scheduler's stream has ended",
                    replies.next());
            join(runner, 2);
            runner.form(formation(2), replies);
            assertEquals("formed 2", replies.next());
        }
    }

    @Test
    void anAbortEndsTheWaitForRanksThatDoNotCome() throws Exception {
        var waiting = new Semaphore(0);
        Meeting alone =
                (kernels, abortReason) -> {
                    while (abortReason.get().isEmpty()) {
                        waiting.release();
                        Thread.sleep(1);
                    }
                    throw new CommunicatorAbortedException(abortReason.get());
                };
        try (TestWorker worker = worker(alone);
                var runner = new StepRunner(worker.rank, Failpoints.NONE, _ -> {})) {
            runner.start();
            for (long epoch = 1; epoch <= 2; epoch++) {
                join(runner, epoch);
                waiting.drainPermits();
                runner.form(formation(epoch), replies);
                assertTrue(waiting.tryAcquire(TestScheduler.SECONDS, TimeUnit.SECONDS));
                runner.abort("the scheduler's stream has ended");
                assertEquals(
                        "failed %d: the scheduler's stream has ended".formatted(epoch),
                        replies.next());
            }
        }
    }

    /// The launcher ends a worker whose step thread stands still while another group joins.
    @Test
    void aThreadThatDoesNotComeToTheNextJoinStandsStill() throws Exception {
        var meeting = new CountDownLatch(1);
        var met = new CountDownLatch(1);
        Meeting deaf =
                (kernels, _) -> {
                    meeting.countDown();
                    assertTrue(met.await(TestScheduler.SECONDS, TimeUnit.SECONDS));
                    return new SoloCommunicator(kernels);
                };
        try (TestWorker worker = worker(deaf);
                var runner = new StepRunner(worker.rank, Failpoints.NONE, _ -> {})) {
            runner.start();
            join(runner, 1);
            runner.form(formation(1), replies);
            assertTrue(meeting.await(TestScheduler.SECONDS, TimeUnit.SECONDS));
            assertNotEquals(runner.moves(), runner.moves(), "its scheduler watches it");
            runner.join(2, RunnerUnderTest.KEY, replies);
            assertEquals(runner.moves(), runner.moves());
            met.countDown();
            assertEquals("failed 1: aborted by rank 0: group epoch 2 begins", replies.next());
            assertEquals("joined 2", replies.next());
            assertNotEquals(runner.moves(), runner.moves());
        }
    }

    @Test
    void tooLittleMemoryForAnEpochEndsTheProcess() throws Exception {
        var unusable = new CompletableFuture<Throwable>();
        var tooLittle = new TooLittleMemoryException("1 MiB is free, lower --max-num-seqs");
        Meeting full =
                (_, _) -> {
                    throw tooLittle;
                };
        try (TestWorker worker = worker(full);
                var runner = new StepRunner(worker.rank, Failpoints.NONE, unusable::complete)) {
            runner.start();
            join(runner, 1);
            runner.form(formation(1), replies);
            assertEquals("failed 1: 1 MiB is free, lower --max-num-seqs", replies.next());
            Throwable failure = unusable.get(TestScheduler.SECONDS, TimeUnit.SECONDS);
            assertSame(tooLittle, failure);
            assertEquals(ExitCode.UNUSABLE, WorkerMain.exitCode(failure));
        }
    }

    private void join(StepRunner runner, long epoch) throws InterruptedException {
        runner.join(epoch, RunnerUnderTest.KEY, replies);
        assertEquals("joined " + epoch, replies.next());
    }

    private static StepRunner.Formation formation(long epoch) {
        return new StepRunner.Formation(
                epoch,
                "test",
                new byte[0],
                TestWorker.BLOCKS,
                TestWorker.MAX_SEQUENCES,
                Optional.of(TestWorker.MAX_TOKENS),
                false,
                0);
    }
}
