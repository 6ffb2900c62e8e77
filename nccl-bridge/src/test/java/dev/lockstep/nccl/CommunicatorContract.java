// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.Tolerances;
import java.util.List;
import java.util.stream.Stream;

/// The base of the contracts of communicators: the test class of an implementation starts its
/// ranks, says what it promises, and implements each contract.
///
/// Tests fill and read tensors through the kernels of each rank, and never touch their memory.
interface CommunicatorContract {
    /// Bytes each rank may allocate in one group.
    long BYTES = 8 << 20;

    /// The code that one rank runs.
    @FunctionalInterface
    interface RankBody {
        void run(Communicator communicator, TestDevice device) throws Exception;
    }

    /// Returns the numbers of ranks to test.
    int[] sizes();

    /// Runs `body` on every rank of a new group at once; throws what any rank threw.
    void onEveryRank(int size, RankBody body) throws Exception;

    /// Returns whether F32 is summed in the order of ranks, so that the bits of a sum are known
    /// (law 6). Elsewhere all ranks, and a rerun, have the same.
    boolean sumsInRankOrder();

    /// Returns whether the reason of an abort reaches all ranks. Elsewhere the others fail when
    /// they see no progress.
    boolean sharesReasons();

    /// How far sums and norms may be from exact ones.
    Tolerances tolerances();

    /// Returns the types that ranks sum: F32, and that of activations.
    static List<DType> types(TestDevice device) {
        return Stream.of(DType.F32, device.activationType()).distinct().toList();
    }
}
