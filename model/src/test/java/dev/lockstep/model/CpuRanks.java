// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.kernels.cpu.InstructionSet;
import dev.lockstep.kernels.cpu.PackedOptions;
import dev.lockstep.nccl.Communicator;
import dev.lockstep.nccl.HostCommunicator;
import dev.lockstep.nccl.Meeting;
import dev.lockstep.nccl.Rendezvous;
import dev.lockstep.nccl.SoloCommunicator;
import dev.lockstep.nccl.Waiting;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BiFunction;
import java.util.function.IntFunction;

/// Ranks on the CPU, which exchange through shared memory.
final class CpuRanks implements TestRanks {
    private final CpuOptions options;
    private final IntFunction<Optional<PackedOptions>> kept;
    private final List<CpuKernels> opened = new CopyOnWriteArrayList<>();
    private BiFunction<Integer, Kernels, Kernels> view = (_, kernels) -> kernels;
    private final String name = "model-test-" + UUID.randomUUID();

    CpuRanks(CpuOptions options) {
        this(options, _ -> Optional.empty());
    }

    /// @param kept where each rank keeps its packed weights
    CpuRanks(CpuOptions options, IntFunction<Optional<PackedOptions>> kept) {
        this.options = options;
        this.kept = kept;
    }

    /// Writes the packed weights of every rank to their files.
    void keepPacked() throws InterruptedException {
        for (CpuKernels kernels : opened) {
            kernels.keepPacked();
            kernels.awaitPacked();
        }
    }

    /// Creates ranks with a thread each.
    CpuRanks() {
        this(CpuOptions.ofThreads(1).withoutSpinning().expandingLatents());
    }

    /// Lets each rank compute with what this returns for its kernels.
    CpuRanks viewedBy(BiFunction<Integer, Kernels, Kernels> view) {
        this.view = view;
        return this;
    }

    @Override
    public DeviceCapabilities capabilities() {
        return options.instructionSet()
                .orElseGet(InstructionSet::best)
                .capabilities()
                .expandingLatents(options.expandsLatents());
    }

    @Override
    public Kernels open(int rank, ComputeTypes types) {
        CpuKernels kernels = CpuKernels.open(options, () -> Long.MAX_VALUE, kept.apply(rank));
        opened.add(kernels);
        return view.apply(rank, kernels);
    }

    @Override
    public int blocks() {
        return 256;
    }

    @Override
    public Communicator meet(int rank, int size, long bytes, Kernels kernels) {
        return size == 1
                ? new SoloCommunicator(kernels)
                : HostCommunicator.open(
                        Rendezvous.inSharedMemory(name, 1, size),
                        rank,
                        bytes,
                        kernels,
                        Waiting.BLOCK,
                        Meeting.within(Duration.ofMinutes(2)));
    }
}
