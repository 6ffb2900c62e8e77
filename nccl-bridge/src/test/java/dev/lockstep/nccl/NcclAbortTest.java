// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.Tolerances;
import dev.lockstep.kernels.cuda.CudaKernels;
import dev.lockstep.kernels.cuda.CudaUnderTest;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Aborts and lost peers over NCCL on CUDA devices.
@Tag("gpu")
@Tag("ranks")
final class NcclAbortTest implements AbortContract {
    /// Shorter than in production, so that a test takes less time.
    private static final Duration PATIENCE = Duration.ofSeconds(1);

    @Test
    void ranksMeetAgainOnTheSameDevicesAfterAnAbort() throws Exception {
        CudaUnderTest.assumeRanks(2);
        byte[] next = CudaGroup.newId();
        onEveryRank(
                2,
                (communicator, device) -> {
                    var kernels = (CudaKernels) device.kernels();
                    int rank = communicator.rank();
                    Tensor kept = device.floats(1, 2, rank, 7);
                    Tensor x = communicator.allocate(8).tensor(0, DType.F32, 1, 2);
                    communicator.barrier();
                    if (rank == 0) {
                        // The other rank never calls it.
                        communicator.allReduceSum(x);
                    }
                    communicator.abort("an epoch begins");
                    kernels.synchronize();
                    communicator.close();
                    try (Communicator again =
                            CudaGroup.meet(next, rank, 2, kernels, HostGroup.TIMEOUT)) {
                        assertArrayEquals(new float[] {rank, 7}, device.floats(kept));
                        again.allReduceSum(kept);
                        assertArrayEquals(new float[] {1, 14}, device.floats(kept));
                    }
                });
    }

    @Test
    void anAbortEndsTheWaitForRanksThatDoNotCome() {
        var questions = new AtomicInteger();
        var meeting =
                new Meeting(
                        HostGroup.TIMEOUT,
                        () -> questions.incrementAndGet() < 3 ? "" : "an epoch begins");
        byte[] id = CudaGroup.newId();
        try (CudaKernels kernels = CudaUnderTest.open(DType.F32)) {
            CommunicatorAbortedException aborted =
                    assertThrows(
                            CommunicatorAbortedException.class,
                            () -> CudaGroup.meet(id, 1, 2, kernels, meeting, PATIENCE));
            assertEquals("aborted by rank 1: an epoch begins", aborted.getMessage());
            assertEquals(3, questions.get());
        }
    }

    @Override
    public int[] sizes() {
        return CudaGroup.sizes();
    }

    @Override
    public void onEveryRank(int size, RankBody body) throws Exception {
        CudaGroup.onEveryRank(size, DType.F32, PATIENCE, body);
    }

    @Override
    public void onEveryRank(int size, int aborting, RankBody body) throws Exception {
        CudaGroup.onEveryRank(
                size, DType.F32, rank -> rank == aborting ? HostGroup.TIMEOUT : PATIENCE, body);
    }

    @Override
    public boolean sumsInRankOrder() {
        return false;
    }

    @Override
    public boolean sharesReasons() {
        return false;
    }

    @Override
    public Tolerances tolerances() {
        return Tolerances.STATED;
    }
}
