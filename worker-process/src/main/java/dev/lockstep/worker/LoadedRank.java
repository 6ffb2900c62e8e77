// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.process.HostMemory;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.model.ComputeTypes;
import dev.lockstep.model.LoadSettings;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.Shard;
import java.util.List;
import java.util.Optional;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// A rank with its weights on its device and its KV blocks counted, and how it answers a Join.
/// Closing it closes the device.
///
/// @param keepPacked keeps the packed weights for the next start, once the rank serves
record LoadedRank(Rank rank, JoinReply joinReply, Kernels kernels, Runnable keepPacked)
        implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(LoadedRank.class);

    /// Opens the device, plans its memory, loads the shard, and counts the KV blocks.
    static LoadedRank load(
            WorkerConfig config,
            ModelSource source,
            CacheFolders folders,
            String incarnation,
            LoadSettings.Progress progress) {
        WorkerDevice device = WorkerDevice.of(config, source, folders);
        ComputeTypes types =
                source.computeTypes(config.dtype(), config.kvDtype(), device.capabilities());
        WorkerDevice.Opened opened = device.open(types);
        try {
            return load(config, source, device, types, opened, incarnation, progress);
        } catch (RuntimeException failure) {
            throw closedAfter(failure, opened.kernels());
        }
    }

    /// Closes kernels after `failure`, which it returns: what fails because of it is secondary.
    private static RuntimeException closedAfter(RuntimeException failure, Kernels kernels) {
        try {
            kernels.close();
        } catch (RuntimeException further) {
            failure.addSuppressed(further);
        }
        return failure;
    }

    private static LoadedRank load(
            WorkerConfig config,
            ModelSource source,
            WorkerDevice device,
            ComputeTypes types,
            WorkerDevice.Opened opened,
            String incarnation,
            LoadSettings.Progress progress) {
        Kernels kernels = opened.kernels();
        Shard shard = source.shard(config.rank(), config.tensorParallel());
        MemoryPlan plan = plan(config, source, shard, types, device, kernels);
        plan.lowered().forEach(line -> LOG.warn("lowered {}", line));
        MemoryBill bill = plan.ranks().getFirst();
        Model model =
                source.load(
                        shard,
                        kernels,
                        new LoadSettings(
                                types.compute(),
                                types.kv(),
                                WorkerConfig.BLOCK_SIZE,
                                plan.maxModelLen(),
                                progress));
        int maxTokens = maxTokens(config, device.capabilities());
        int promptSpan = source.promptSpan(device.capabilities());
        var steps =
                new SessionLimits(
                        maxTokens,
                        plan.maxNumSeqs(),
                        plan.maxModelLen(),
                        WorkerConfig.BLOCK_SIZE,
                        promptSpan);
        long kvBytes =
                switch (device) {
                    case WorkerDevice.Cpu _ -> bill.kv();
                    case WorkerDevice.Gpu gpu ->
                            gpu.memory(kernels, source.vocabularySize())
                                    .kvBytes(
                                            plan,
                                            config.kvMemory().orElse(0L),
                                            model.weightBytes(),
                                            new LargestStep(model, kernels, steps)::measure);
                };
        var rank =
                new Rank(
                        model,
                        kernels,
                        opened.connector(),
                        new Rank.RankLimits(
                                plan.maxModelLen(),
                                WorkerConfig.BLOCK_SIZE,
                                promptSpan,
                                maxTokens,
                                kvBytes,
                                device.records()));
        var joinReply =
                new JoinReply(
                        config,
                        incarnation,
                        source,
                        model,
                        types,
                        kernels.device(),
                        rank,
                        plan.maxModelLen(),
                        bill.activations());
        return new LoadedRank(rank, joinReply, kernels, opened.keepPacked());
    }

    /// Plans this rank's memory. The ranks of a group must have the same limits, so one of several
    /// ranks does not lower its own.
    private static MemoryPlan plan(
            WorkerConfig config,
            ModelSource source,
            Shard shard,
            ComputeTypes types,
            WorkerDevice device,
            Kernels kernels) {
        int maxModelLen = WorkerConfig.maxModelLen(config.maxModelLen(), source);
        MemoryPlan.Rank rank =
                MemoryPlan.Rank.of(
                        source,
                        shard,
                        source.weightBytes(shard, kernels, types.compute()),
                        types,
                        kernels.capabilities(),
                        maxTokens(config, kernels.capabilities()));
        MemoryPlan.Needs needs = MemoryPlan.Needs.of(source, List.of(rank));
        var asked =
                new MemoryPlan.Asked(
                        config.tensorParallel() == 1
                                ? config.maxModelLen()
                                : Optional.of(maxModelLen),
                        Optional.of(config.maxNumSeqs()),
                        config.kvMemory());
        return switch (device) {
            case WorkerDevice.Cpu _ -> MemoryPlan.of(needs, asked, HostMemory.availableBytes());
            case WorkerDevice.Gpu gpu ->
                    MemoryPlan.ofGpus(
                            needs, asked, gpu.memory(kernels, source.vocabularySize()).available());
        };
    }

    private static int maxTokens(WorkerConfig config, DeviceCapabilities capabilities) {
        return config.maxNumBatchedTokens().orElse(capabilities.maxStepTokens());
    }

    @Override
    public void close() {
        rank.close();
    }
}
