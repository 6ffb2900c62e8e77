// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.cuda.CudaKernels;
import dev.lockstep.kernels.cuda.CudaUnderTest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/// Ranks with a CUDA device each; a file of rank 0 has the id with which they meet.
final class CudaOpening implements RankOpening {
    private static final long POLL_NANOS = Duration.ofMillis(5).toNanos();

    @Override
    public TestDevice openDevice(int rank) {
        return new TestDevice(CudaUnderTest.open(rank, DType.F32));
    }

    @Override
    public Communicator meet(Path folder, int rank, int size, long bytes, Kernels kernels) {
        try {
            byte[] id = rank == 0 ? share(folder) : await(folder.resolve("id"));
            return CudaGroup.meet(id, rank, size, (CudaKernels) kernels, CollectiveWatch.PATIENCE);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] share(Path folder) throws IOException {
        byte[] id = Nccl.uniqueId();
        Path unfinished = Files.write(folder.resolve("unfinished"), id);
        Files.move(unfinished, folder.resolve("id"), StandardCopyOption.ATOMIC_MOVE);
        return id;
    }

    private static byte[] await(Path file) throws IOException {
        while (!Files.exists(file)) {
            LockSupport.parkNanos(POLL_NANOS);
        }
        return Files.readAllBytes(file);
    }
}
