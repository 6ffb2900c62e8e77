// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.nccl.Communicator;
import dev.lockstep.nccl.HostCommunicator;
import dev.lockstep.nccl.Meeting;
import dev.lockstep.nccl.Rendezvous;
import dev.lockstep.nccl.SoloCommunicator;
import dev.lockstep.nccl.Waiting;
import java.time.Duration;
import java.util.function.Supplier;

/// Ranks that meet in the shared memory of their host, by the name of the rendezvous.
record HostConnector(WorkerConfig config, Kernels kernels) implements Connector {
    private static final Duration MEETING_TIMEOUT = Duration.ofSeconds(30);

    @Override
    public boolean needsOneHost() {
        return true;
    }

    @Override
    public Communicator connect(
            StepRunner.Formation formation, long bytes, Supplier<String> abortReason) {
        if (config.tensorParallel() == 1) {
            return new SoloCommunicator(kernels);
        }
        return HostCommunicator.open(
                Rendezvous.inSharedMemory(
                        formation.rendezvous(), formation.epoch(), config.tensorParallel()),
                config.rank(),
                bytes,
                kernels,
                config.oversubscribed() ? Waiting.BLOCK : Waiting.SPIN,
                new Meeting(MEETING_TIMEOUT, abortReason));
    }
}
