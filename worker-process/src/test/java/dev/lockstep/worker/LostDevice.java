// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.cuda.CudaLibrary;
import dev.lockstep.kernels.cuda.CudaUnderTest;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// A step thread on an emulated device that breaks in a step: it prints its replies, and the
/// process exits as a worker does.
final class LostDevice implements StepRunner.Replies {
    private static final long EPOCH = 1;

    private final StepRunner runner;
    private final String fault;

    private LostDevice(StepRunner runner, String fault) {
        this.runner = runner;
        this.fault = fault;
    }

    /// Runs a step that works and one that breaks.
    ///
    /// @param arguments the folder of a model, and the fault of the first kernel of a step
    public static void main(String[] arguments) {
        TestWorker worker =
                TestWorker.onModel(
                        Path.of(arguments[0]),
                        TestWorker.MAX_POSITIONS,
                        CudaUnderTest.open(DType.F32));
        var runner =
                new StepRunner(
                        worker.rank,
                        Failpoints.NONE,
                        failure -> {
                            System.out.println("unusable: " + failure.getMessage());
                            Runtime.getRuntime().halt(WorkerMain.exitCode(failure));
                        });
        runner.start();
        runner.join(EPOCH, RunnerUnderTest.KEY, new LostDevice(runner, arguments[1]));
    }

    @Override
    public void joined(long epoch, HeldBlocks held) {
        runner.form(
                new StepRunner.Formation(
                        epoch,
                        "test",
                        new byte[0],
                        TestWorker.BLOCKS,
                        TestWorker.MAX_SEQUENCES,
                        Optional.of(TestWorker.MAX_TOKENS),
                        false,
                        0),
                this);
    }

    @Override
    public void formed(long epoch, StepBudget budget, CanaryOutcome canary) {
        send(1);
    }

    /// The first step works. In the second, the next kernel that is launched fails.
    @Override
    public void canary(long epoch, long number, CanaryOutcome canary) {
        throw new AssertionError("canary step " + number);
    }

    @Override
    public void finished(StepOutcome outcome) {
        System.out.println("finished " + outcome.number());
        long launched = EmulatedCuda.calls(CudaLibrary.DRIVER, "cuLaunchKernel");
        EmulatedCuda.failOn(
                CudaLibrary.DRIVER, "cuLaunchKernel:%d:%s".formatted(launched + 1, fault));
        send(2);
    }

    @Override
    public void failed(long epoch, long number, String message) {
        System.out.println("failed %d: %s".formatted(number, message));
    }

    /// Sends a step that admits a sequence to its own slot.
    private void send(int number) {
        runner.run(
                new Step(
                        EPOCH,
                        number,
                        new int[0],
                        List.of(
                                TestWorker.admission(
                                        number,
                                        TestSteps.PROMPT,
                                        new int[0],
                                        SamplingSettings.greedy())),
                        List.of(),
                        List.of(TestWorker.row(number, 0, TestSteps.PROMPT.length, number))),
                this);
    }
}
