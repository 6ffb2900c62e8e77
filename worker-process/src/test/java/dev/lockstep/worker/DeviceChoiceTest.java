// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.cpu.InstructionSet;
import dev.lockstep.kernels.cuda.CudaDevice;
import dev.lockstep.kernels.cuda.CudaProbe;
import dev.lockstep.kernels.cuda.CudaUnavailableException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class DeviceChoiceTest {
    private static final SettingsSpec SPEC =
            SettingsSpec.of(
                    ProcessKeys.DEVICE,
                    ProcessKeys.GPUS,
                    ProcessKeys.CUDA_LIBRARIES,
                    ProcessKeys.GPU_MEMORY_UTILIZATION,
                    ProcessKeys.DISABLE_CUDA_GRAPH,
                    ProcessKeys.THREADS,
                    ProcessKeys.PACKED_CACHE,
                    DeviceSettings.INSTRUCTION_SET,
                    DeviceSettings.EXPAND_LATENTS);

    private static DeviceSettings settings(String... flags) {
        return DeviceSettings.of(Settings.parse(SPEC, List.of(flags), Map.of()));
    }

    private static CudaDevice gpu(int ordinal, int major) {
        return new CudaDevice(
                ordinal, "GPU of tests", "GPU-" + ordinal, major, 0, 4, 1 << 16, 1 << 20, 1 << 30);
    }

    private static CudaProbe gpus(int count) {
        return new CudaProbe(
                List.of(new CudaProbe.Step("cuInit", "works")),
                IntStream.range(0, count).mapToObj(ordinal -> gpu(ordinal, 9)).toList(),
                Optional.empty());
    }

    private static CudaProbe none() {
        return new CudaProbe(
                List.of(new CudaProbe.Step("libcuda.so.1", "/lib")),
                List.of(),
                Optional.of(
                        new CudaUnavailableException(
                                "cuInit of libcuda.so.1 failed with code 100 (no device)",
                                "see nvidia-smi")));
    }

    private static List<Integer> taken(CudaProbe probe, int ranks, String... flags) {
        if (DeviceChoice.of(settings(flags), ranks, () -> probe)
                instanceof DeviceChoice.Gpus(List<CudaDevice> gpus, _)) {
            return gpus.stream().map(CudaDevice::ordinal).toList();
        }
        return fail("GPUs are taken");
    }

    private static String refused(CudaProbe probe, int ranks, String... flags) {
        DeviceSettings settings = settings(flags);
        return String.valueOf(
                assertThrows(
                                RuntimeException.class,
                                () -> DeviceChoice.of(settings, ranks, () -> probe))
                        .getMessage());
    }

    @Test
    void nothingIsProbedForACpu() {
        DeviceChoice choice =
                DeviceChoice.of(settings("--device=cpu"), 1, () -> fail("no probe for a CPU"));
        assertEquals("--device is cpu", choice.reason());
        assertEquals(DeviceCapabilities.Kind.CPU, choice.capabilities().kind());
    }

    @Test
    void autoTakesAGpuWhereThereIsOneAndSaysWhyElse() {
        assertEquals(List.of(0, 1), taken(gpus(3), 2));
        assertEquals(
                "--device is auto, GPU 0, 1 of 3",
                DeviceChoice.of(settings(), 2, () -> gpus(3)).reason());
        assertEquals(
                "--device is auto, and cuInit of libcuda.so.1 failed with code 100 (no device)",
                DeviceChoice.of(settings(), 1, DeviceChoiceTest::none).reason());
    }

    @Test
    void aHostWithoutADriverIsDescribedInFewWords() {
        var nothing =
                new CudaProbe(
                        List.of(),
                        List.of(),
                        Optional.of(
                                new CudaUnavailableException(
                                        "cuInit of libcuda.so.1 failed with code 100 (no device)",
                                        "see nvidia-smi")));
        assertEquals(
                "--device is auto, and NVIDIA's driver was not found",
                DeviceChoice.of(settings(), 1, () -> nothing).reason());
    }

    @Test
    void anInstructionSetIsForCpusThatHaveIt() {
        InstructionSet least = InstructionSet.available().getLast();
        String asked = "--instruction-set=" + least.key();
        assertEquals(
                least.capabilities(),
                DeviceChoice.of(settings(asked), 1, DeviceChoiceTest::none).capabilities());
        assertEquals(
                "--instruction-set is for CPUs, the device is cuda: leave it out, or choose --device=cpu",
                refused(gpus(1), 1, asked));
        InstructionSet foreign =
                Stream.of(InstructionSet.values())
                        .filter(set -> !InstructionSet.available().contains(set))
                        .findFirst()
                        .orElseThrow();
        String refusal = refused(none(), 1, "--instruction-set=" + foreign.key());
        assertTrue(refusal.startsWith("instruction set " + foreign.key()), refusal);
        assertEquals(
                "--instruction-set: \"sse9\" is none of " + InstructionSet.keys(", "),
                assertThrows(SettingsException.class, () -> settings("--instruction-set=sse9"))
                        .getMessage());
    }

    @Test
    void ranksGetTheGpusThatAreNamedInTheirOrder() {
        assertEquals(List.of(2, 0), taken(gpus(3), 2, "--gpus=2,0"));
        assertEquals(List.of(1), taken(gpus(2), 1, "--device=cuda", "--gpus=1"));
    }

    @Test
    void gpusThatAreAskedForHaveNoSubstitute() {
        assertEquals(
                "--device cuda: cuInit of libcuda.so.1 failed with code 100 (no device): see nvidia-smi",
                refused(none(), 1, "--device=cuda"));
        assertEquals(
                "--gpus: cuInit of libcuda.so.1 failed with code 100 (no device): see nvidia-smi",
                refused(none(), 1, "--gpus=0"));
        assertEquals(
                "--tensor-parallel is 5, and 4 GPUs can be used: every rank needs a GPU of its own;"
                        + " choose fewer ranks or --device=cpu",
                refused(gpus(4), 5, "--device=cuda"));
        assertEquals(
                "--gpus: GPU 7 was asked for, there are 2, numbered from 0: name one of them",
                refused(gpus(2), 1, "--gpus=7"));
        assertEquals("--gpus names 1 GPUs for 2 ranks", refused(gpus(2), 2, "--gpus=1"));
    }

    @Test
    void oldGpusArePassedOver() {
        var mixed = new CudaProbe(List.of(), List.of(gpu(0, 7), gpu(1, 8)), Optional.empty());
        assertEquals(List.of(1), taken(mixed, 1));
        assertEquals(
                "--gpus: GPU 0, GPU of tests, has compute capability 7.0, Lockstep needs 8.0 or newer:"
                        + " use another GPU, or the CPU",
                refused(mixed, 1, "--gpus=0"));
    }

    @Test
    void settingsOfTheOtherDeviceAreRefusedByName() {
        assertEquals(
                "--threads is for CPUs, the device is cuda: leave it out, or choose --device=cpu",
                assertThrows(
                                SettingsException.class,
                                () -> settings("--device=cuda", "--threads=2"))
                        .getMessage());
        assertEquals(
                "--gpus names GPUs, --device is cpu",
                assertThrows(SettingsException.class, () -> settings("--device=cpu", "--gpus=0"))
                        .getMessage());
        for (String flag : List.of("--threads=2", "--packed-cache=map")) {
            assertEquals(
                    flag.replaceAll("=.*", "")
                            + " is for CPUs, the device is cuda: leave it out, or choose --device=cpu",
                    refused(gpus(1), 1, flag));
        }
        assertEquals(List.of(0), taken(gpus(1), 1));
    }
}
