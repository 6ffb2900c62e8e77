// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.nccl.Communicator;
import dev.lockstep.nccl.SoloCommunicator;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Aborts of an epoch whose ranks are still meeting.
class FormingTest {
    @TempDir Path folder;
    private final CountDownLatch meeting = new CountDownLatch(1);
    private final CountDownLatch met = new CountDownLatch(1);
    private final Replies replies = new Replies();

    private static final class Replies implements StepRunner.Replies {
        final BlockingQueue<String> lines = new LinkedBlockingQueue<>();

        @Override
        public void joined(long epoch, HeldBlocks held) {
            lines.add("joined " + epoch);
        }

        @Override
        public void formed(long epoch, StepBudget budget) {
            lines.add("formed " + epoch);
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

    /// Meets once the test lets it.
    private record LateConnector(Kernels kernels, CountDownLatch meeting, CountDownLatch met)
            implements Connector {
        @Override
        public boolean needsOneHost() {
            return false;
        }

        @Override
        public Map<String, String> versions() {
            return Map.of();
        }

        @Override
        public byte[] newCollectiveId() {
            return new byte[0];
        }

        @Override
        public Communicator connect(StepRunner.Formation formation, long bytes) {
            meeting.countDown();
            try {
                assertTrue(met.await(TestScheduler.SECONDS, TimeUnit.SECONDS));
            } catch (InterruptedException e) {
                throw new IllegalStateException("interrupted", e);
            }
            return new SoloCommunicator(kernels);
        }
    }

    @Test
    void anAbortWhileRanksMeetFailsTheFormationAndTheNextOneForms() throws Exception {
        TinyCheckpoint.write(folder, 7);
        try (TestWorker worker =
                        TestWorker.onModel(
                                folder,
                                TestWorker.MAX_POSITIONS,
                                kernels -> new LateConnector(kernels, meeting, met),
                                List.of());
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
                false);
    }
}
