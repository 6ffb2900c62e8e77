// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static dev.lockstep.worker.TestSteps.PROMPT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
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

    private static long launches() {
        return EmulatedCuda.calls(CudaLibrary.DRIVER, "cuLaunchKernel");
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

    /// Sends a prefill that the device begins and does not end.
    private void sendHeld(Step.Admission admission) {
        long launched = launches();
        EmulatedCuda.holdNextKernel();
        assertTrue(test.runner.run(prefill(admission), test));
        await("the prefill is launched", () -> launches() > launched);
    }

    @Test
    void aStepIsLaunchedWhileTheDeviceHoldsThePrecedingOne() throws Exception {
        long recorded = graphs();
        sendHeld(admission());
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
    void aDeviceThatComesToItsEndServesTheNextEpochWithItsMemory() throws Exception {
        long allocations = EmulatedCuda.calls(CudaLibrary.DRIVER, "cuMemAlloc_v2");
        sendHeld(admission());
        test.runner.join(2, RunnerUnderTest.KEY, test);
        EmulatedCuda.release();
        assertEquals(new Reply.Joined(2, Map.of()), test.next());
        assertEquals(allocations, EmulatedCuda.calls(CudaLibrary.DRIVER, "cuMemAlloc_v2"));
        test.form(2, true);
        assertTrue(
                test.runner.run(
                        new Step(
                                2,
                                1,
                                NONE,
                                List.of(admission()),
                                List.of(),
                                List.of(TestWorker.row(0, 0, PROMPT.length, 1))),
                        test));
        assertEquals(2, test.finished().epoch());
        assertTrue(!test.unusable.isDone());
    }

    @Test
    void aDeviceThatDoesNotIsGivenUp() throws Exception {
        sendHeld(admission());
        test.runner.join(2, RunnerUnderTest.KEY, test);
        String message = "the device has not finished its ops 2 s after they were aborted";
        assertLost(message);
        assertEquals(new Reply.Failed(2, 0, message), test.next());
    }

    /// The step thread itself waits for a step whose positions are read back.
    @Test
    void aDeviceThatHoldsTheStepThreadIsGivenUp() throws Exception {
        sendHeld(
                admission()
                        .with(
                                TestWorker.seeded(3),
                                new OutputSettings(0, true, 2, true, OutputSettings.Pooling.NONE)));
        test.runner.join(2, RunnerUnderTest.KEY, test);
        assertLost("the device has finished no op for 2 s after its ops were aborted");
    }

    private void assertLost(String message) throws Exception {
        Throwable lost = test.unusable.get(TestScheduler.SECONDS, TimeUnit.SECONDS);
        assertInstanceOf(DeviceLostException.class, lost);
        assertEquals(message, lost.getMessage());
    }
}
