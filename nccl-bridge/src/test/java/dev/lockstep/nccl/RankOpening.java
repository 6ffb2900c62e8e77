// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.TestDevice;
import java.nio.file.Path;

/// How a rank in a separate JVM opens its device and meets the others; has a constructor without
/// arguments.
interface RankOpening {
    TestDevice openDevice(int rank);

    /// Meets the ranks that were forked with the same folder.
    ///
    /// @param bytes the collective memory of each rank
    Communicator meet(Path folder, int rank, int size, long bytes, Kernels kernels);

    /// Ranks in the shared memory of this host.
    final class OfHost implements RankOpening {
        @Override
        public TestDevice openDevice(int rank) {
            return HostGroup.openDevice();
        }

        @Override
        public Communicator meet(Path folder, int rank, int size, long bytes, Kernels kernels) {
            return HostCommunicator.open(
                    new Rendezvous("processes", 1, size, folder),
                    rank,
                    bytes,
                    kernels,
                    Waiting.BLOCK,
                    HostGroup.MEETING);
        }
    }
}
