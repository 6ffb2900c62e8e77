// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.cuda.CudaKernels;
import dev.lockstep.nccl.Communicator;
import dev.lockstep.nccl.Meeting;
import dev.lockstep.nccl.Nccl;
import dev.lockstep.nccl.NcclCommunicator;
import dev.lockstep.nccl.SoloCommunicator;
import java.time.Duration;
import java.util.Map;
import java.util.function.Supplier;

/// Ranks with a GPU each, which meet through NCCL by an id that rank 0 creates.
record NcclConnector(WorkerConfig config, CudaKernels kernels) implements Connector {
    private static final Duration MEETING_TIMEOUT = Duration.ofSeconds(30);

    @Override
    public boolean needsOneHost() {
        return false;
    }

    @Override
    public Map<String, String> versions() {
        return isAlone() ? Map.of() : Map.of("NCCL", Integer.toString(Nccl.version()));
    }

    @Override
    public byte[] newCollectiveId() {
        return Nccl.uniqueId();
    }

    @Override
    public Communicator connect(
            StepRunner.Formation formation, long bytes, Supplier<String> abortReason) {
        return isAlone()
                ? new SoloCommunicator(kernels)
                : NcclCommunicator.open(
                        kernels.cuda(),
                        kernels.stream(),
                        kernels,
                        formation.collectiveId(),
                        config.rank(),
                        config.tensorParallel(),
                        kernels::busy,
                        new Meeting(MEETING_TIMEOUT, abortReason));
    }

    private boolean isAlone() {
        return config.tensorParallel() == 1;
    }
}
