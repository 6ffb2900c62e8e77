// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static dev.lockstep.worker.TestSteps.PROMPT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cluster.BlockHash;
import dev.lockstep.kernels.DeviceLostException;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.worker.RunnerUnderTest.Reply;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Launches, ends and failures of steps on a device that finishes them later.
class StepOrderTest {
    private static final int[] NONE = {};
    private static final BlockHash NAME = new BlockHash(7, 7);

    @TempDir Path folder;
    private RunnerUnderTest test;

    @BeforeEach
    void begin() throws IOException, InterruptedException {
        TinyCheckpoint.write(folder, 7);
        test = new RunnerUnderTest(folder);
        test.begin(1, false);
        test.kernels.late(true);
    }

    @AfterEach
    void close() {
        test.close();
    }

    private void send(Step step) {
        assertTrue(test.runner.run(step, test));
    }

    private static Step step(
            long epoch, long number, int[] released, List<Step.Admission> in, Step.Row... rows) {
        return new Step(epoch, number, released, in, List.of(), List.of(rows));
    }

    private static Step prefill(long epoch, long number, SamplingSettings settings) {
        return step(
                epoch,
                number,
                NONE,
                List.of(TestWorker.admission(0, PROMPT, NONE, settings)),
                TestWorker.row(0, 0, PROMPT.length, 1));
    }

    private static Step decode(long epoch, long number) {
        return step(
                epoch,
                number,
                NONE,
                List.of(),
                TestWorker.row(0, PROMPT.length - 2 + (int) number, 1));
    }

    @Test
    void aStepIsLaunchedWhileThePrecedingOneIsHeld() throws Exception {
        send(prefill(1, 1, TestWorker.seeded(3)));
        send(decode(1, 2));
        test.awaitLaunched(2);
        assertNull(test.replies.peek());
        assertEquals(0, test.runner.lastFinished());
        test.kernels.reachNext();
        StepOutcome first = test.finished();
        assertEquals(1, first.number());
        assertEquals(1, test.runner.lastFinished());
        assertNull(test.replies.peek());
        send(decode(1, 3));
        test.awaitLaunched(2);
        test.kernels.reachNext();
        StepOutcome second = test.finished();
        test.kernels.reachNext();
        StepOutcome third = test.finished();
        List<StepOutcome.Sampled> alone;
        try (TestWorker worker = TestWorker.onModel(folder, TestWorker.MAX_POSITIONS);
                Session session = worker.open(1)) {
            alone = TestWorker.generate(session, PROMPT, NONE, 3, TestWorker.seeded(3));
        }
        TestWorker.assertSame(
                alone,
                List.of(
                        first.sampled().getFirst(),
                        second.sampled().getFirst(),
                        third.sampled().getFirst()));
    }

    @Test
    void aThirdStepIsLaunchedOnlyOnceTheFirstHasCompleted() throws Exception {
        send(prefill(1, 1, TestWorker.seeded(3)));
        send(decode(1, 2));
        send(decode(1, 3));
        test.kernels.awaitWaiters(2);
        assertEquals(2, test.kernels.pending());
        test.kernels.reachNext();
        assertEquals(1, test.finished().number());
        test.awaitLaunched(2);
    }

    @Test
    void aSlotThatIsReassignedKeepsTheLastResultOfItsSequence() throws Exception {
        send(prefill(1, 1, TestWorker.seeded(3)));
        send(
                step(
                        1,
                        2,
                        new int[] {0},
                        List.of(
                                TestWorker.admission(
                                        0, new int[] {4, 5}, NONE, SamplingSettings.greedy())),
                        TestWorker.row(0, 0, 2, 2)));
        test.awaitLaunched(2);
        test.kernels.reachNext();
        StepOutcome.Sampled last = test.finished().sampled().getFirst();
        assertEquals(3, last.logprobs().orElseThrow().topIds().length);
        test.kernels.reachNext();
        assertTrue(test.finished().sampled().getFirst().logprobs().isEmpty());
    }

    @Test
    void aStepThatReadsPositionsBackCompletesBeforeTheNextIsLaunched() throws Exception {
        Step.Admission scored =
                TestWorker.admission(0, PROMPT, NONE, TestWorker.seeded(3))
                        .with(
                                TestWorker.seeded(3),
                                new OutputSettings(0, true, 2, true, OutputSettings.Pooling.NONE));
        send(step(1, 1, NONE, List.of(scored), TestWorker.row(0, 0, PROMPT.length, 1)));
        send(decode(1, 2));
        test.kernels.awaitWaiters(1);
        assertEquals(1, test.kernels.pending());
        Reply.Finished finished = (Reply.Finished) test.nextLater();
        assertEquals(2, finished.outcome().outputs().size());
        assertEquals(1, finished.outcome().number());
        test.awaitLaunched(1);
    }

    @Test
    void aStepsTimeBeginsAtTheEndOfThePrecedingOne() throws Exception {
        long start = System.nanoTime();
        send(prefill(1, 1, TestWorker.seeded(3)));
        send(decode(1, 2));
        test.awaitLaunched(2);
        LockSupport.parkNanos(Duration.ofMillis(50).toNanos());
        test.kernels.reachNext();
        test.kernels.reachNext();
        long nanos = test.finished().computeNanos();
        assertTrue(nanos >= Duration.ofMillis(50).toNanos(), nanos + " ns");
        nanos += test.finished().computeNanos();
        assertTrue(nanos <= System.nanoTime() - start, nanos + " ns of two steps");
    }

    @Test
    void aFailureFailsTheStepsInFlightWithOneMessage() throws Exception {
        send(prefill(1, 1, TestWorker.seeded(3)));
        send(decode(1, 2));
        test.awaitLaunched(2);
        test.kernels.fail(new IllegalArgumentException("embed: id 9 of 5"));
        assertEquals(new Reply.Failed(1, 1, "embed: id 9 of 5"), test.next());
        test.kernels.late(false);
        test.runner.join(2, RunnerUnderTest.KEY, test);
        assertInstanceOf(Reply.Joined.class, test.next());
        test.kernels.mend();
        test.form(2, true);
        send(prefill(2, 1, TestWorker.seeded(3)));
        assertEquals(2, test.finished().epoch());
        assertTrue(test.replies.isEmpty());
    }

    @Test
    void aStepWhoseCollectivesAreAbortedSendsNothingAndNamesNoBlock() throws Exception {
        send(fill(1, 1));
        test.awaitLaunched(1);
        test.runner.abort("the stream broke");
        test.kernels.late(false);
        assertEquals(new Reply.Failed(1, 1, "aborted by rank 0: the stream broke"), test.next());
        assertEquals(Map.of(), test.begin(2, true));
    }

    @Test
    void whatAStepFindsWrongAfterAnAbortIsTheAbort() throws Exception {
        send(prefill(1, 1, TestWorker.seeded(3)));
        test.awaitLaunched(1);
        test.runner.abort("the stream broke");
        test.kernels.fail(new IllegalArgumentException("embed: id 9 of 5"));
        assertEquals(new Reply.Failed(1, 1, "aborted by rank 0: the stream broke"), test.next());
    }

    @Test
    void aStepThatCannotBeLaunchedEndsTheEpochAndTheStepInFlight() throws Exception {
        send(prefill(1, 1, TestWorker.seeded(3)));
        send(decode(1, 7));
        assertEquals(new Reply.Failed(1, 7, "step (1, 7) after (1, 1)"), test.next());
        test.kernels.late(false);
        test.begin(2, true);
        assertTrue(test.replies.isEmpty());
    }

    @Test
    void anEpochBeginsOnlyOnceTheDeviceHasFinishedTheStepsOfTheLast() throws Exception {
        send(fill(1, 1));
        test.awaitLaunched(1);
        test.runner.join(2, RunnerUnderTest.KEY, test);
        // The step, and the end of the stream that the new epoch waits for.
        test.awaitLaunched(2);
        assertTrue(test.replies.isEmpty());
        test.kernels.late(false);
        assertEquals(new Reply.Joined(2, Map.of()), test.next());
        test.form(2, true);
        send(fill(2, 1));
        assertEquals(2, test.finished().epoch());
        test.runner.join(3, RunnerUnderTest.KEY, test);
        assertEquals(new Reply.Joined(3, Map.of(5, NAME)), test.next());
    }

    /// Fills block 5.
    private static Step fill(long epoch, long number) {
        return step(
                epoch,
                number,
                NONE,
                List.of(TestWorker.admission(0, new int[17], NONE, TestWorker.seeded(1))),
                new Step.Row(0, 0, 17, List.of(new int[] {5, 6}), List.of(NAME)));
    }

    @Tag("sweep")
    @Test
    void aDeviceThatDoesNotFinishIsGivenUpWithItsMemory() throws Exception {
        send(prefill(1, 1, TestWorker.seeded(3)));
        test.awaitLaunched(1);
        long held = test.worker.rank.kernels().allocatedBytes();
        test.runner.join(2, RunnerUnderTest.KEY, test);
        Throwable lost = test.unusable.get(TestScheduler.SECONDS, TimeUnit.SECONDS);
        assertInstanceOf(DeviceLostException.class, lost);
        String message = "the device has not finished its ops 2 s after they were aborted";
        assertEquals(message, lost.getMessage());
        assertEquals(held, test.worker.rank.kernels().allocatedBytes());
        // The process is about to end: no epoch begins on it.
        assertEquals(new Reply.Failed(2, 0, message), test.next());
        test.runner.join(3, RunnerUnderTest.KEY, test);
        assertEquals(new Reply.Failed(3, 0, message), test.next());
    }

    @Test
    void aLostDeviceIsReported() throws Exception {
        send(prefill(1, 1, TestWorker.seeded(3)));
        test.awaitLaunched(1);
        test.kernels.fail(new DeviceLostException("illegal address"));
        assertEquals(new Reply.Failed(1, 1, "illegal address"), test.next());
        Throwable lost = test.unusable.get(TestScheduler.SECONDS, TimeUnit.SECONDS);
        assertEquals("illegal address", lost.getMessage());
    }
}
