// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.nccl.CommunicatorContract.RankBody;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/// Groups whose ranks are threads of this JVM, in a separate folder in shared memory.
final class HostGroup implements AutoCloseable {
    /// Only a hang takes longer, however busy the machine is.
    static final Duration TIMEOUT = Duration.ofMinutes(2);

    static final Meeting MEETING = Meeting.within(TIMEOUT);

    final Path folder;
    private int names;

    HostGroup() throws IOException {
        folder = Files.createTempDirectory(Path.of("/dev/shm"), "communicator-test-");
    }

    Rendezvous rendezvous(int size) {
        return new Rendezvous("group-" + names++, 7, size, folder);
    }

    void onEveryRank(int size, RankBody body) throws Exception {
        // More ranks than the smallest machine has cores must not spin.
        onEveryRank(size, size <= 2 ? Waiting.SPIN : Waiting.BLOCK, body);
    }

    void onEveryRank(int size, Waiting waiting, RankBody body) throws Exception {
        Rendezvous rendezvous = rendezvous(size);
        List<Callable<Void>> ranks = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            int rank = i;
            ranks.add(
                    () -> {
                        runRank(rendezvous, rank, waiting, body);
                        return null;
                    });
        }
        together(ranks);
    }

    /// Opens the kernels of a rank, whose tensors are in host memory.
    static TestDevice openDevice() {
        return new TestDevice(CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning()));
    }

    private static void runRank(Rendezvous rendezvous, int rank, Waiting waiting, RankBody body)
            throws Exception {
        try (TestDevice device = openDevice();
                Communicator communicator =
                        HostCommunicator.open(
                                rendezvous,
                                rank,
                                CommunicatorContract.BYTES,
                                device.kernels(),
                                waiting,
                                MEETING)) {
            try {
                body.run(communicator, device);
            } catch (Exception | AssertionError e) {
                communicator.abort(e.toString());
                throw e;
            }
        }
    }

    /// Runs all tasks at once and waits for all; throws what the first failed task in the list
    /// threw.
    static <T> List<T> together(List<Callable<T>> tasks) throws Exception {
        try (ExecutorService executor = Executors.newThreadPerTaskExecutor(Thread::new)) {
            List<Future<T>> futures =
                    executor.invokeAll(tasks, 2 * TIMEOUT.toSeconds(), TimeUnit.SECONDS);
            List<T> results = new ArrayList<>();
            for (Future<T> future : futures) {
                results.add(future.get());
            }
            return results;
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    List<Path> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }

    @Override
    public void close() throws IOException {
        for (Path file : files()) {
            Files.delete(file);
        }
        Files.delete(folder);
    }
}
