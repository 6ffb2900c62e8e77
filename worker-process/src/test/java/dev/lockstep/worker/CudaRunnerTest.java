// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static dev.lockstep.worker.TestSteps.PROMPT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cluster.BlockHash;
import dev.lockstep.kernels.DeviceLostException;
import dev.lockstep.kernels.cuda.CudaLibrary;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import dev.lockstep.worker.RunnerUnderTest.Reply;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The step thread on a GPU whose stream does not go on.
@Tag("processes")
final class CudaRunnerTest {
    private static final int[] NONE = {};
    private static final BlockHash NAME = new BlockHash(7, 7);

    @TempDir Path folder;
    private RunnerUnderTest test;

    @BeforeEach
    void begin() throws IOException, InterruptedException {
        TinyCheckpoint.write(folder, 7);
        test = RunnerUnderTest.onGpu(folder);
        test.begin(1, false);
    }

    @AfterEach
    void close() {
        EmulatedCuda.failOn(CudaLibrary.DRIVER, "");
        EmulatedCuda.release();
        test.close();
    }

    private static Step prefill(Step.Admission admission) {
        return new Step(
                1,
                1,
                NONE,
                List.of(admission),
                List.of(),
                List.of(TestWorker.row(0, 0, PROMPT.length, 1)));
    }

    private static Step.Admission admission() {
        return TestWorker.admission(0, PROMPT, NONE, TestWorker.seeded(3));
    }

    private static Step decode(long number) {
        return new Step(
                1,
                number,
                NONE,
                List.of(),
                List.of(),
                List.of(TestWorker.row(0, PROMPT.length - 2 + (int) number, 1)));
    }

    private static long waits() {
        return EmulatedCuda.calls(CudaLibrary.DRIVER, "cuEventSynchronize");
    }

    private static long graphs() {
        return EmulatedCuda.calls(CudaLibrary.DRIVER, "cuGraphLaunch");
    }

    private static void await(String what, BooleanSupplier condition) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(TestScheduler.SECONDS);
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < deadline, what);
            Thread.onSpinWait();
        }
    }

    /// Sends a step that the device begins and does not end.
    private void sendHeld(Step step) {
        long waited = waits();
        EmulatedCuda.holdNextKernel();
        assertTrue(test.runner.run(step, test));
        await("a thread waits for the step", () -> waits() > waited);
    }

    /// A step that fills block 5.
    private static Step fill(long epoch) {
        return new Step(
                epoch,
                1,
                NONE,
                List.of(TestWorker.admission(0, new int[17], NONE, TestWorker.seeded(1))),
                List.of(),
                List.of(new Step.Row(0, 0, 17, List.of(new int[] {5, 6}), List.of(NAME))));
    }

    @Test
    void aStepIsLaunchedWhileTheDeviceHoldsThePrecedingOne() throws Exception {
        long recorded = graphs();
        sendHeld(prefill(admission()));
        assertTrue(test.runner.run(decode(2), test));
        await("the decode step is launched", () -> graphs() > recorded);
        assertNull(test.replies.peek());
        assertEquals(0, test.runner.lastFinished());
        EmulatedCuda.release();
        List<StepOutcome.Sampled> sampled = new ArrayList<>(test.finished().sampled());
        sampled.addAll(test.finished().sampled());
        try (TestWorker alone = TestWorker.onModel(folder, TestWorker.MAX_POSITIONS);
                Session session = alone.open(1)) {
            assertEquals(
                    TestWorker.generate(session, PROMPT, NONE, 2, TestWorker.seeded(3)).stream()
                            .map(StepOutcome.Sampled::id)
                            .toList(),
                    sampled.stream().map(StepOutcome.Sampled::id).toList());
        }
    }

    @Test
    void aDeviceThatComesToItsEndServesTheNextEpochWithItsMemoryAndNames() throws Exception {
        assertTrue(test.runner.run(fill(1), test));
        assertEquals(1, test.finished().epoch());
        assertEquals(Map.of(5, NAME), test.begin(2, true));
        long allocated = test.worker.rank.kernels().allocatedBytes();
        sendHeld(fill(2));
        test.runner.join(3, RunnerUnderTest.KEY, test);
        EmulatedCuda.release();
        assertEquals(new Reply.Joined(3, Map.of()), test.next(), "the step was aborted");
        test.form(3, true);
        assertEquals(allocated, test.worker.rank.kernels().allocatedBytes());
        assertTrue(test.runner.run(fill(3), test));
        assertEquals(3, test.finished().epoch());
        assertEquals(Map.of(5, NAME), test.begin(4, true));
        assertFalse(test.unusable.isDone());
    }

    @Test
    void aDeviceThatDoesNotIsGivenUp() throws Exception {
        sendHeld(prefill(admission()));
        test.runner.join(2, RunnerUnderTest.KEY, test);
        String message = "the device has not finished its ops 2 s after they were aborted";
        assertLost(message);
        assertEquals(new Reply.Failed(2, 0, message), test.next());
    }

    /// The step thread itself waits for a step whose positions are read back.
    @Test
    void aDeviceThatHoldsTheStepThreadIsGivenUp() throws Exception {
        var positions = new OutputSettings(0, true, 2, true, OutputSettings.Pooling.NONE);
        sendHeld(prefill(admission().with(TestWorker.seeded(3), positions)));
        test.runner.join(2, RunnerUnderTest.KEY, test);
        assertLost("the device has finished no op for 2 s after its ops were aborted");
    }

    @Test
    void anEpochThatFailsAndCannotFreeWhatItHadEndsAllTheSame() throws Exception {
        long freed = EmulatedCuda.calls(CudaLibrary.DRIVER, "cuMemFree_v2");
        EmulatedCuda.failOn(CudaLibrary.DRIVER, "cuMemFree_v2:%d:1".formatted(freed + 1));
        assertTrue(test.runner.run(decode(7), test));
        assertEquals(new Reply.Failed(1, 7, "step (1, 7) after (1, 0)"), test.next());
        test.begin(2, false);
        assertTrue(EmulatedCuda.calls(CudaLibrary.DRIVER, "cuMemFree_v2") > freed);
        assertFalse(test.unusable.isDone());
    }

    private void assertLost(String message) throws Exception {
        Throwable lost = test.unusable.get(TestScheduler.SECONDS, TimeUnit.SECONDS);
        assertInstanceOf(DeviceLostException.class, lost);
        assertEquals(message, lost.getMessage());
    }
}
