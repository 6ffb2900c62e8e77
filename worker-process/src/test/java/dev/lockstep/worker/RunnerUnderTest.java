// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.kernels.DType;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// A step thread, over kernels whose steps end when the test says so or on an emulated device, and
/// its replies.
final class RunnerUnderTest implements AutoCloseable, StepRunner.Replies {
    static final byte[] KEY = {1, 2, 3};

    /// Those of the step thread, unless it is on an emulated device.
    final LateKernels kernels;

    final TestWorker worker;
    final StepRunner runner;
    final BlockingQueue<Reply> replies = new LinkedBlockingQueue<>();

    /// What the step thread reported that this process cannot mend.
    final CompletableFuture<Throwable> unusable = new CompletableFuture<>();

    sealed interface Reply {
        /// The device is free for an epoch.
        ///
        /// @param names by block of KV group 0
        record Joined(long epoch, Map<Integer, BlockHash> names) implements Reply {}

        record Canary(CanaryOutcome outcome) implements Reply {}

        record Formed(long epoch, CanaryOutcome canary) implements Reply {}

        record Finished(StepOutcome outcome) implements Reply {}

        record Failed(long epoch, long number, String message) implements Reply {}
    }

    /// @param folder of a tiny model
    RunnerUnderTest(Path folder) {
        this(folder, new LateKernels(TestWorker.openKernels()));
    }

    private RunnerUnderTest(Path folder, LateKernels kernels) {
        this(kernels, TestWorker.onModel(folder, TestWorker.MAX_POSITIONS, kernels.kernels()));
    }

    private RunnerUnderTest(LateKernels kernels, TestWorker worker) {
        this.kernels = kernels;
        this.worker = worker;
        runner = new StepRunner(worker.rank, Failpoints.NONE, unusable::complete);
        runner.start();
    }

    /// Starts a step thread on an emulated device, which records decode steps.
    static RunnerUnderTest onGpu(Path folder) {
        TestWorker worker = TestWorker.onGpu(folder, DType.F32, true);
        return new RunnerUnderTest(new LateKernels(worker.rank.kernels()), worker);
    }

    /// Joins and forms an epoch; returns the names that the earlier ones left.
    Map<Integer, BlockHash> begin(long epoch, boolean keepBlocks) throws InterruptedException {
        runner.join(epoch, KEY, this);
        Reply.Joined joined = (Reply.Joined) next();
        form(epoch, keepBlocks);
        return joined.names();
    }

    void form(long epoch, boolean keepBlocks) throws InterruptedException {
        runner.form(
                new StepRunner.Formation(
                        epoch,
                        "test",
                        new byte[0],
                        TestWorker.BLOCKS,
                        TestWorker.MAX_SEQUENCES,
                        Optional.of(TestWorker.MAX_TOKENS),
                        keepBlocks,
                        0),
                this);
        Reply.Formed _ = (Reply.Formed) next();
    }

    StepOutcome finished() throws InterruptedException {
        Reply next = next();
        if (next instanceof Reply.Finished(StepOutcome outcome)) {
            return outcome;
        }
        throw new AssertionError(next);
    }

    Reply next() throws InterruptedException {
        Reply next = replies.poll(TestScheduler.SECONDS, TimeUnit.SECONDS);
        if (next == null) {
            throw new AssertionError("no reply");
        }
        return next;
    }

    /// Returns the next reply, and lets the device go on until there is one.
    Reply nextLater() throws InterruptedException {
        for (long i = 0; i < TestScheduler.SECONDS * 1000L; i++) {
            @Nullable Reply next = replies.poll(1, TimeUnit.MILLISECONDS);
            if (next != null) {
                return next;
            }
            kernels.reachNext();
        }
        throw new AssertionError("no reply");
    }

    /// Waits until that many steps are launched and not at their end.
    void awaitLaunched(int steps) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(TestScheduler.SECONDS);
        while (kernels.pending() != steps) {
            if (System.nanoTime() - deadline > 0) {
                throw new AssertionError(kernels.pending() + " steps are launched");
            }
            Thread.onSpinWait();
        }
    }

    @Override
    public void joined(long epoch, HeldBlocks held) {
        Map<Integer, BlockHash> names = new TreeMap<>();
        if (held.kvGroups() > 0) {
            held.blocks(0).forEach(each -> names.put(each, held.name(0, each).orElseThrow()));
        }
        replies.add(new Reply.Joined(epoch, names));
    }

    @Override
    public void formed(long epoch, StepBudget budget, CanaryOutcome canary) {
        replies.add(new Reply.Formed(epoch, canary));
    }

    @Override
    public void canary(long epoch, long number, CanaryOutcome canary) {
        replies.add(new Reply.Canary(canary));
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
        kernels.late(false);
        runner.close();
        worker.close();
    }
}
