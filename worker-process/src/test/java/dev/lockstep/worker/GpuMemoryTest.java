// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.kernels.OutOfDeviceMemoryException;
import dev.lockstep.model.KvCapacity;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

class GpuMemoryTest {
    private static final long MIB = 1L << 20;

    /// Blocks of 1 MiB; 100 MiB of activations.
    private static MemoryPlan plan(int maxModelLen) {
        return new MemoryPlan(
                List.of(new MemoryBill(500 * MIB, 0, 100 * MIB)),
                new KvCapacity(List.of(KvGroup.full(List.of(0))), 16, MIB / 16),
                maxModelLen,
                8,
                List.of());
    }

    private static GpuMemory memory(long freeMebibytes) {
        return new GpuMemory(
                () -> freeMebibytes * MIB,
                1000 * MIB,
                0.9,
                new GpuReserve(20 * MIB, 10 * MIB, 15 * MIB, 5 * MIB));
    }

    /// Returns a largest step that takes so much of 500 MiB.
    private static StepMemory step(long mebibytes) {
        return new StepMemory(500 * MIB, (500 - mebibytes) * MIB);
    }

    private static String refusal(long asked, Supplier<StepMemory> step) {
        return assertThrows(
                                TooLittleMemoryException.class,
                                () -> memory(500).kvBytes(plan(256), asked, 400 * MIB, step))
                        .getMessage()
                + "";
    }

    @Test
    void kvBlocksTakeWhatUtilizationReserveAndTheLargestStepLeave() {
        assertEquals(350 * MIB, memory(500).available());
        assertEquals(250 * MIB, memory(500).kvBytes(plan(256), 0, MIB, () -> step(130)));
        assertEquals(40 * MIB, memory(500).kvBytes(plan(256), 40 * MIB, MIB, () -> step(130)));
    }

    @Test
    void aStepThatTakesMoreThanItsBillLeavesLess() {
        assertEquals(80 * MIB, memory(500).kvBytes(plan(256), 0, MIB, () -> step(300)));
        assertEquals(350 * MIB, memory(500).kvBytes(plan(256), 0, MIB, () -> step(30)));
        assertTrue(step(300).exceeds(130 * MIB));
        assertFalse(step(194).exceeds(130 * MIB), "rounding explains it");
    }

    @Test
    void tooLittleIsRefusedWithTheBillTheMeasurementAndALengthThatFits() {
        assertEquals(
                "of 1000 MiB of GPU memory, weights take 400 MiB, activations of 8 sequences 100 MiB,"
                        + " scratch 20 MiB, sampler 10 MiB, graphs 15 MiB, NCCL 5 MiB; the largest step took"
                        + " 370 MiB, 10 MiB are left for KV blocks, a sequence of 256 tokens takes 17 MiB:"
                        + " --max-model-len=144 would fit",
                refusal(0, () -> step(370)));
        assertTrue(
                refusal(0, () -> step(390))
                        .endsWith("lower --max-num-seqs or --max-num-batched-tokens"));
    }

    @Test
    void aStepThatDoesNotFitIsRefusedWithTheBill() {
        assertEquals(
                "of 1000 MiB of GPU memory, weights take 400 MiB, activations of 8 sequences 100 MiB,"
                        + " scratch 20 MiB, sampler 10 MiB, graphs 15 MiB, NCCL 5 MiB; the largest step does"
                        + " not fit, cuMemAlloc failed, 3 MiB are free: lower --max-num-seqs or"
                        + " --max-num-batched-tokens",
                refusal(
                        0,
                        () -> {
                            throw new OutOfDeviceMemoryException(
                                    "cuMemAlloc failed", 9 * MIB, 3 * MIB);
                        }));
    }

    @Test
    void kvMemoryThatIsAskedForMustBeThere() {
        String refusal = refusal(251 * MIB, () -> step(130));
        assertTrue(refusal.contains("250 MiB are left"), refusal);
        assertTrue(refusal.endsWith("--kv-memory=256000K would fit"), refusal);
    }

    @Test
    void theReserveOfOneRankWithoutGraphsIsScratchAndSampler() {
        var settings =
                new DeviceSettings(
                        ProcessKeys.Device.CUDA,
                        List.of(),
                        List.of(),
                        0.9,
                        false,
                        Optional.empty(),
                        false,
                        Optional.empty());
        GpuReserve reserve = GpuReserve.of(settings, 8, 1000, 1);
        assertEquals(0, reserve.graphs());
        assertEquals(0, reserve.nccl());
        assertEquals(reserve.scratch() + reserve.sampler(), reserve.bytes());
    }
}
