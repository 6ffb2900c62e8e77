// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.nccl.Communicator;
import java.util.Map;
import java.util.function.Supplier;

/// How this rank meets the others of its group and exchanges tensors with them.
///
/// The step thread calls it.
interface Connector {
    /// Returns whether ranks exchange tensors through shared memory, so that all are on one host.
    boolean needsOneHost();

    /// Returns the versions, by name, of the libraries that exchange tensors: equal on all ranks.
    default Map<String, String> versions() {
        return Map.of();
    }

    /// Creates the id with which the ranks of the next epoch meet: a new one for each, on rank 0
    /// alone. Empty if the name of the rendezvous is enough.
    default byte[] newCollectiveId() {
        return new byte[0];
    }

    /// Connects to the other ranks.
    ///
    /// @param bytes collective memory that this rank will allocate from the communicator
    /// @param abortReason why the epoch is aborted, empty while it is not: ends a wait for others
    Communicator connect(StepRunner.Formation formation, long bytes, Supplier<String> abortReason);
}
