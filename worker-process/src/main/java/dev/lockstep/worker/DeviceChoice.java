// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.cpu.InstructionSet;
import dev.lockstep.kernels.cuda.CudaDevice;
import dev.lockstep.kernels.cuda.CudaLibrary;
import dev.lockstep.kernels.cuda.CudaProbe;
import dev.lockstep.kernels.cuda.CudaUnavailableException;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/// The devices that ranks compute on, and why these.
public sealed interface DeviceChoice {
    DeviceCapabilities capabilities();

    /// Returns why this device was taken, for the start screen.
    String reason();

    /// The cores of the host.
    record Cpu(InstructionSet instructionSet, boolean expandsLatents, String reason)
            implements DeviceChoice {
        @Override
        public DeviceCapabilities capabilities() {
            return instructionSet.capabilities().expandingLatents(expandsLatents);
        }
    }

    /// A GPU for each rank, in the order of ranks.
    record Gpus(List<CudaDevice> gpus, String reason) implements DeviceChoice {
        public Gpus {
            gpus = List.copyOf(gpus);
        }

        /// Returns the capabilities that all of them have.
        @Override
        public DeviceCapabilities capabilities() {
            CudaDevice first = gpus.getFirst();
            return DeviceCapabilities.ofCuda(first.major(), first.minor());
        }
    }

    /// Chooses the devices of `ranks` ranks. Throws what is missing if GPUs are asked for and
    /// cannot be used, an instruction set that is not available, or a setting that the device does
    /// not have.
    ///
    /// @param probe looks for GPUs and the libraries that they need; called unless `--device` is
    ///   cpu
    static DeviceChoice of(DeviceSettings settings, int ranks, Supplier<CudaProbe> probe) {
        if (settings.asked() == ProcessKeys.Device.CPU) {
            return cpu(settings, "--device is cpu");
        }
        CudaProbe found = probe.get();
        if (found.problem().isPresent()) {
            CudaUnavailableException problem = found.problem().get();
            if (settings.needsGpu()) {
                throw withKey(settings, problem);
            }
            return cpu(
                    settings,
                    "--device is auto, and "
                            + (hasDriver(found)
                                    ? problem.missing()
                                    : "NVIDIA's driver was not found"));
        }
        List<CudaDevice> gpus =
                settings.gpus().isEmpty() ? first(found, ranks) : chosen(settings, ranks, found);
        settings.requireGpuSettings();
        String numbers =
                gpus.stream().map(gpu -> "" + gpu.ordinal()).collect(Collectors.joining(", "));
        return new Gpus(
                gpus,
                settings.asked() == ProcessKeys.Device.CUDA
                        ? "--device is cuda, GPU " + numbers
                        : "--device is auto, GPU %s of %d"
                                .formatted(numbers, found.devices().size()));
    }

    private static Cpu cpu(DeviceSettings settings, String reason) {
        settings.instructionSet().ifPresent(InstructionSet::requireAvailable);
        return new Cpu(
                settings.instructionSet().orElseGet(InstructionSet::best),
                settings.expandsLatents(),
                reason);
    }

    private static boolean hasDriver(CudaProbe found) {
        return found.steps().stream()
                .anyMatch(step -> step.what().equals(CudaLibrary.DRIVER.soname()));
    }

    private static List<CudaDevice> first(CudaProbe found, int ranks) {
        List<CudaDevice> usable = found.devices().stream().filter(CudaProbe::usable).toList();
        if (usable.size() < ranks) {
            throw new CudaUnavailableException(
                    "--tensor-parallel is %d, and %d GPUs can be used"
                            .formatted(ranks, usable.size()),
                    "every rank needs a GPU of its own; choose fewer ranks or --device=cpu");
        }
        return usable.subList(0, ranks);
    }

    private static List<CudaDevice> chosen(DeviceSettings settings, int ranks, CudaProbe found) {
        if (settings.gpus().size() != ranks) {
            throw new SettingsException(
                    "--gpus names %d GPUs for %d ranks".formatted(settings.gpus().size(), ranks));
        }
        try {
            return settings.gpus().stream().map(found::require).toList();
        } catch (CudaUnavailableException problem) {
            throw new CudaUnavailableException("--gpus: " + problem.missing(), problem.remedy());
        }
    }

    private static CudaUnavailableException withKey(
            DeviceSettings settings, CudaUnavailableException problem) {
        String key = settings.asked() == ProcessKeys.Device.CUDA ? "--device cuda" : "--gpus";
        return new CudaUnavailableException(key + ": " + problem.missing(), problem.remedy());
    }
}
