// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.cuda.CudaKernels;
import dev.lockstep.kernels.cuda.CudaLibraries;
import dev.lockstep.kernels.cuda.CudaUnderTest;
import dev.lockstep.nccl.CommunicatorContract.RankBody;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/// Groups whose ranks are threads of this JVM, each attached to a device of its own where there are
/// enough.
final class CudaGroup {
    private CudaGroup() {}

    /// Returns the most ranks to test: NCCL lets no more than two share a device.
    static int maxRanks() {
        return CudaUnderTest.isEmulated() || CudaUnderTest.devices() > 2 ? 3 : 2;
    }

    /// Returns the numbers of ranks to test.
    static int[] sizes() {
        return IntStream.rangeClosed(2, maxRanks()).toArray();
    }

    /// Returns an id with which ranks meet once.
    static byte[] newId() {
        CudaLibraries.open(CudaUnderTest.search(), CudaUnderTest.cache(), true);
        return Nccl.uniqueId();
    }

    /// Runs `body` on every rank of a new group at once.
    ///
    /// @param patience of the watchdog
    static void onEveryRank(int size, DType compute, Duration patience, RankBody body)
            throws Exception {
        onEveryRank(size, compute, _ -> patience, body);
    }

    /// Runs `body` on every rank of a new group at once.
    ///
    /// @param patience of the watchdog of each rank
    static void onEveryRank(int size, DType compute, IntFunction<Duration> patience, RankBody body)
            throws Exception {
        CudaUnderTest.assumeRanks(size);
        byte[] id = newId();
        List<Callable<Void>> ranks = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            int rank = i;
            ranks.add(
                    () -> {
                        run(id, rank, size, compute, patience.apply(rank), body);
                        return null;
                    });
        }
        HostGroup.together(ranks);
    }

    private static void run(
            byte[] id, int rank, int size, DType compute, Duration patience, RankBody body)
            throws Exception {
        CudaKernels kernels = CudaUnderTest.open(rank, compute);
        try (var device = new TestDevice(kernels);
                Communicator communicator = meet(id, rank, size, kernels, patience)) {
            try {
                body.run(communicator, device);
            } catch (Exception | AssertionError e) {
                communicator.abort(e.toString());
                throw e;
            }
        }
    }

    static NcclCommunicator meet(
            byte[] id, int rank, int size, CudaKernels kernels, Duration patience) {
        return meet(id, rank, size, kernels, HostGroup.MEETING, patience);
    }

    static NcclCommunicator meet(
            byte[] id,
            int rank,
            int size,
            CudaKernels kernels,
            Meeting meeting,
            Duration patience) {
        NcclCommunicator communicator =
                NcclCommunicator.open(
                        kernels.cuda(),
                        kernels.stream(),
                        kernels,
                        id,
                        rank,
                        size,
                        kernels::busy,
                        meeting,
                        patience);
        communicator.formed();
        return communicator;
    }
}
