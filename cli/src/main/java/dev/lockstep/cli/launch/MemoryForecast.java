// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cluster.process.HostMemory;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.cuda.CudaDevice;
import dev.lockstep.model.ComputeTypes;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.Shard;
import dev.lockstep.worker.DeviceChoice;
import dev.lockstep.worker.DeviceSettings;
import dev.lockstep.worker.GpuReserve;
import dev.lockstep.worker.MemoryPlan;
import dev.lockstep.worker.WorkerConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A forecast of the memory that the ranks of a cluster on this host need, before a process starts.
/// A worker checks again, with the exact sizes that its kernels pack.
final class MemoryForecast {
    /// Bytes of launcher, coordinator and scheduler together, measured.
    private static final long PROCESS_BYTES = 512L << 20;

    /// Bytes of a worker's process beside weights, blocks and activations: 220 MiB after its first
    /// requests, measured, and some room for its heap.
    private static final long WORKER_BYTES = 256L << 20;

    /// Bytes of a GPU that the driver takes for a process, an estimate.
    private static final long CONTEXT_BYTES = 512L << 20;

    private MemoryForecast() {}

    /// Computes the forecast from the headers of the model.
    ///
    /// @param size number of ranks that share the model
    static MemoryPlan of(
            Settings settings,
            ModelSource source,
            int size,
            ComputeTypes types,
            DeviceChoice device) {
        var asked =
                new MemoryPlan.Asked(
                        settings.find(ProcessKeys.MAX_MODEL_LEN),
                        settings.isGiven(ProcessKeys.MAX_NUM_SEQS)
                                ? settings.find(ProcessKeys.MAX_NUM_SEQS)
                                : Optional.empty(),
                        settings.find(ProcessKeys.KV_MEMORY));
        return of(settings, asked, source, size, types, device);
    }

    /// Computes the forecast for limits that may not be those of the settings.
    static MemoryPlan of(
            Settings settings,
            MemoryPlan.Asked asked,
            ModelSource source,
            int size,
            ComputeTypes types,
            DeviceChoice device) {
        DeviceCapabilities capabilities = device.capabilities();
        WorkerConfig.maxModelLen(settings.find(ProcessKeys.MAX_MODEL_LEN), source);
        int maxTokens =
                settings.find(ProcessKeys.MAX_NUM_BATCHED_TOKENS)
                        .orElse(capabilities.maxStepTokens());
        List<MemoryPlan.Rank> ranks = new ArrayList<>();
        for (Shard shard : Shard.cut(source.config(), size)) {
            ranks.add(
                    MemoryPlan.Rank.of(
                            source,
                            shard,
                            source.expectedWeightBytes(shard, types, capabilities),
                            types,
                            capabilities,
                            maxTokens));
        }
        MemoryPlan.Needs needs = MemoryPlan.Needs.of(source, ranks);
        return switch (device) {
            case DeviceChoice.Cpu _ ->
                    MemoryPlan.of(
                            needs,
                            asked,
                            HostMemory.availableBytes() - PROCESS_BYTES - size * WORKER_BYTES);
            case DeviceChoice.Gpus gpus ->
                    MemoryPlan.ofGpus(
                            needs, asked, gpuBytes(settings, gpus, source.vocabularySize()));
        };
    }

    /// Returns the bytes that a rank may use of the smallest GPU.
    private static long gpuBytes(Settings settings, DeviceChoice.Gpus gpus, int vocabularySize) {
        DeviceSettings device = DeviceSettings.of(settings);
        long total = gpus.gpus().stream().mapToLong(CudaDevice::memoryBytes).min().orElseThrow();
        GpuReserve reserve =
                GpuReserve.of(
                        device,
                        settings.value(ProcessKeys.MAX_NUM_SEQS),
                        vocabularySize,
                        gpus.gpus().size());
        return (long) (total * device.memoryUtilization()) - CONTEXT_BYTES - reserve.bytes();
    }
}
