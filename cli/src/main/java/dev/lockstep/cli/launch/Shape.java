// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cluster.process.HostCpus;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.kernels.DType;
import dev.lockstep.model.ComputeTypes;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.Shard;
import dev.lockstep.worker.DeviceChoice;
import dev.lockstep.worker.DeviceSettings;
import dev.lockstep.worker.MemoryPlan;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// What the ranks of a host's group are given of its devices, memory and cores.
record Shape(DeviceChoice device, MemoryPlan memory, HostPlan plan) {
    private static final Logger LOG = LogManager.getLogger(Shape.class);

    /// Chooses the shape that the settings ask for.
    static Shape of(Settings settings, ModelSource source, int ranks) {
        DeviceChoice device = device(settings, ranks);
        ComputeTypes types = types(settings, source, device);
        return of(
                settings,
                source,
                device,
                types,
                MemoryForecast.of(settings, source, ranks, types, device));
    }

    /// Returns a shape with another number of ranks that serves the same requests: its limits and
    /// its KV memory are those of this one. Both are in memory for a while.
    ///
    /// @throws RuntimeException whose message says why there is none
    Shape resized(Settings settings, ModelSource source, int ranks) {
        if (device instanceof DeviceChoice.Gpus) {
            throw new UnusableException(
                    "a group on GPUs cannot be resized: its GPUs have no room for the weights of both shapes");
        }
        ComputeTypes types = types(settings, source.requireLoadable(ranks), device);
        var asked =
                new MemoryPlan.Asked(
                        Optional.of(memory.maxModelLen()),
                        Optional.of(memory.maxNumSeqs()),
                        Optional.of(memory.kvBytes()));
        return of(
                settings,
                source,
                device,
                types,
                MemoryForecast.of(settings, asked, source, ranks, types, device));
    }

    private static Shape of(
            Settings settings,
            ModelSource source,
            DeviceChoice device,
            ComputeTypes types,
            MemoryPlan memory) {
        HostPlan plan = plan(settings, source, memory.ranks().size(), types.kv(), memory.kvBytes());
        return new Shape(device, memory, plan);
    }

    int ranks() {
        return plan.ranks().size();
    }

    private static DeviceChoice device(Settings settings, int ranks) {
        DeviceChoice choice = DeviceListing.choose(DeviceSettings.of(settings), ranks);
        LOG.info("{}", choice.reason());
        return choice;
    }

    private static ComputeTypes types(Settings settings, ModelSource source, DeviceChoice device) {
        return source.computeTypes(
                lowerCase(settings.value(ProcessKeys.DTYPE)),
                lowerCase(settings.value(ProcessKeys.KV_DTYPE)),
                device.capabilities());
    }

    private static String lowerCase(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT);
    }

    private static HostPlan plan(
            Settings settings, ModelSource source, int ranks, DType kvType, long kvBytes) {
        List<Long> kvBytesPerToken = new ArrayList<>();
        for (Shard shard : Shard.cut(source.config(), ranks)) {
            kvBytesPerToken.add(source.kvBytesPerToken(shard, kvType));
        }
        HostCpus cores = HostCpus.ofProcess();
        return HostPlan.of(
                kvBytesPerToken,
                cores,
                settings.find(ProcessKeys.THREADS).orElse(cores.count()),
                kvBytes);
    }
}
