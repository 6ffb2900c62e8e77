// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.model.KvCapacity;
import java.util.List;
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

    @Test
    void kvBlocksTakeWhatUtilizationReserveAndActivationsLeave() {
        assertEquals(350 * MIB, memory(500).available());
        assertEquals(250 * MIB, memory(500).kvBytes(plan(256), 0, 500 * MIB));
        assertEquals(40 * MIB, memory(500).kvBytes(plan(256), 40 * MIB, 500 * MIB));
    }

    @Test
    void tooLittleIsRefusedWithTheBillAndALengthThatFits() {
        TooLittleMemoryException refusal =
                assertThrows(
                        TooLittleMemoryException.class,
                        () -> memory(260).kvBytes(plan(256), 0, 500 * MIB));
        assertEquals(
                "of 1000 MiB of GPU memory, weights take 500 MiB, activations of 8 sequences 100 MiB,"
                        + " scratch 20 MiB, sampler 10 MiB, graphs 15 MiB, NCCL 5 MiB; 10 MiB are left for"
                        + " KV blocks, a sequence of 256 tokens takes 17 MiB: --max-model-len=144 would fit",
                refusal.getMessage());
    }

    @Test
    void kvMemoryThatIsAskedForMustBeThere() {
        assertThrows(
                TooLittleMemoryException.class,
                () -> memory(500).kvBytes(plan(256), 251 * MIB, 500 * MIB));
    }

    @Test
    void theReserveOfOneRankWithoutGraphsIsScratchAndSampler() {
        var settings =
                new DeviceSettings(ProcessKeys.Device.CUDA, List.of(), List.of(), 0.9, false);
        GpuReserve reserve = GpuReserve.of(settings, 8, 1000, 1);
        assertEquals(0, reserve.graphs());
        assertEquals(0, reserve.nccl());
        assertEquals(reserve.scratch() + reserve.sampler(), reserve.bytes());
    }
}
