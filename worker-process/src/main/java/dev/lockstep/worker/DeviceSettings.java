// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.kernels.cpu.InstructionSet;
import dev.lockstep.kernels.cuda.LibrarySearch;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// The settings that choose a device and say how it is used.
///
/// @param asked the value of `--device`
/// @param gpus ordinals of GPUs, one for each rank; empty: the first ones
/// @param libraries folders to search first
/// @param memoryUtilization the part of a GPU's memory that may be used
/// @param graphs whether decode steps are recorded as CUDA graphs
/// @param instructionSet of CPU kernels; empty: the best available
/// @param expandsLatents whether latent attention expands keys and values in prompts, on CPUs
/// @param ofCpus a given setting that GPUs do not have
public record DeviceSettings(
        ProcessKeys.Device asked,
        List<Integer> gpus,
        List<Path> libraries,
        double memoryUtilization,
        boolean graphs,
        Optional<InstructionSet> instructionSet,
        boolean expandsLatents,
        Optional<String> ofCpus) {
    public static final Key<String> INSTRUCTION_SET =
            Key.text(
                            "instruction-set",
                            InstructionSet.keys("|"),
                            "the CPU kernels to use; the start fails if they are not available")
                    .orElseComputed("the best available");
    public static final Key<Boolean> EXPAND_LATENTS =
            Key.flag(
                    "expand-latents",
                    "latent attention expands keys and values in prompts, for steps of hundreds of tokens; only with CPUs");

    public DeviceSettings {
        gpus = List.copyOf(gpus);
        libraries = List.copyOf(libraries);
        if (asked == ProcessKeys.Device.CPU && !gpus.isEmpty()) {
            throw new SettingsException("--gpus names GPUs, --device is cpu");
        }
    }

    /// Reads the settings of a process that runs a model, or forecasts its memory.
    public static DeviceSettings of(Settings settings) {
        var device =
                new DeviceSettings(
                        settings.value(ProcessKeys.DEVICE),
                        settings.find(ProcessKeys.GPUS).orElse(List.of()).stream()
                                .map(DeviceSettings::ordinal)
                                .toList(),
                        libraries(settings),
                        settings.value(ProcessKeys.GPU_MEMORY_UTILIZATION),
                        !settings.value(ProcessKeys.DISABLE_CUDA_GRAPH),
                        settings.find(INSTRUCTION_SET).map(DeviceSettings::instructionSet),
                        settings.value(EXPAND_LATENTS),
                        Stream.of(
                                        ProcessKeys.THREADS,
                                        ProcessKeys.PACKED_CACHE,
                                        INSTRUCTION_SET,
                                        EXPAND_LATENTS)
                                .filter(settings::isGiven)
                                .map(key -> "--" + key.name())
                                .findFirst());
        if (device.needsGpu()) {
            device.requireGpuSettings();
        }
        return device;
    }

    /// Reads the settings of a command that describes what a device would run, and runs nothing.
    public static DeviceSettings ofDescription(Settings settings) {
        return new DeviceSettings(
                settings.value(ProcessKeys.DEVICE),
                List.of(),
                libraries(settings),
                1,
                false,
                Optional.empty(),
                false,
                Optional.empty());
    }

    private static InstructionSet instructionSet(String key) {
        return InstructionSet.of(key)
                .orElseThrow(
                        () ->
                                new SettingsException(
                                        "--%s: \"%s\" is none of %s"
                                                .formatted(
                                                        INSTRUCTION_SET.name(),
                                                        key,
                                                        InstructionSet.keys(", "))));
    }

    /// Returns the folders of `--cuda-libraries`.
    public static List<Path> libraries(Settings settings) {
        return settings.find(ProcessKeys.CUDA_LIBRARIES)
                .map(LibrarySearch::parse)
                .orElse(List.of());
    }

    /// Throws if a setting is given that GPUs do not have; call it once they are the device.
    void requireGpuSettings() {
        if (ofCpus.isPresent()) {
            throw new SettingsException(
                    ofCpus.get()
                            + " is for CPUs, the device is cuda: leave it out, or choose --device=cpu");
        }
    }

    /// Returns whether GPUs are asked for, so that a CPU is no substitute.
    boolean needsGpu() {
        return asked == ProcessKeys.Device.CUDA || !gpus.isEmpty();
    }

    /// Returns where the libraries of CUDA are searched.
    public LibrarySearch search() {
        return LibrarySearch.of(libraries);
    }

    private static int ordinal(String word) {
        if (!word.matches("[0-9]{1,4}")) {
            throw new SettingsException(
                    "--gpus: \"%s\" is not the number of a GPU, such as 0".formatted(word));
        }
        return Integer.parseInt(word);
    }
}
