// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.cpu.InstructionSet;
import java.time.Duration;
import java.util.Set;
import org.junit.jupiter.api.Test;

final class DeviceCapabilitiesTest {
    private static final DeviceCapabilities BF16_CPU = InstructionSet.AVX512_BF16.capabilities();
    private static final DeviceCapabilities PLAIN_CPU = InstructionSet.VECTOR_API.capabilities();
    private static final DeviceCapabilities GPU = DeviceCapabilities.ofCuda(9, 0);

    @Test
    void aCpuKeepsActivationsInF32AndMultipliesInt8ByQuantizedWeights() {
        assertEquals("avx512_bf16", BF16_CPU.architecture());
        assertEquals(Set.of(DType.F32, DType.BF16), BF16_CPU.computeTypes());
        assertEquals(Set.of(DType.F32), PLAIN_CPU.computeTypes());
        for (DType compute : BF16_CPU.computeTypes()) {
            assertEquals(DType.F32, BF16_CPU.activationType(compute));
            for (TensorType weights : TensorType.values()) {
                assertEquals(
                        weights.multipliesInt8() ? DType.I8 : compute,
                        BF16_CPU.multiplied(weights, compute));
            }
        }
        assertTrue(BF16_CPU.quantizesActivations());
        assertEquals(DType.BF16, BF16_CPU.computeType(TensorType.BF16));
        assertEquals(DType.F32, PLAIN_CPU.computeType(TensorType.BF16));
        assertEquals(DType.F32, BF16_CPU.computeType(TensorType.F16));
        assertEquals(DType.F32, BF16_CPU.computeType(TensorType.Q4_K));
        assertEquals(DType.BF16, BF16_CPU.computeType(TensorType.E4M3));
        assertEquals(DType.F32, PLAIN_CPU.computeType(TensorType.E4M3));
        assertEquals(0.5625, BF16_CPU.bytesPerWeight(TensorType.Q4_0, DType.F32));
        assertEquals(1.0625, BF16_CPU.bytesPerWeight(TensorType.E4M3, DType.BF16));
        assertEquals(2, BF16_CPU.bytesPerWeight(TensorType.BF16, DType.BF16));
        assertEquals(DType.F32, BF16_CPU.kvType(TensorType.F32));
        assertEquals(DType.F16, BF16_CPU.kvType(TensorType.BF16));
        assertEquals(DType.F16, BF16_CPU.kvType(TensorType.Q8_0));
        assertEquals(Duration.ofMillis(250), BF16_CPU.stepGoal());
        assertEquals(1024, BF16_CPU.maxStepTokens());
        assertEquals(Integer.MAX_VALUE, BF16_CPU.maxStateKey());
    }

    @Test
    void aGpuKeepsActivationsInTheTypeThatItMultiplies() {
        assertEquals("compute capability 9.0", GPU.architecture());
        assertEquals(Set.of(DType.F32, DType.BF16), GPU.computeTypes());
        for (DType compute : GPU.computeTypes()) {
            assertEquals(compute, GPU.activationType(compute));
            for (TensorType weights : TensorType.values()) {
                assertEquals(compute, GPU.multiplied(weights, compute));
            }
        }
        assertFalse(GPU.quantizesActivations());
        assertEquals(DType.F32, GPU.computeType(TensorType.F32));
        assertEquals(DType.F32, GPU.computeType(TensorType.F16));
        assertEquals(DType.BF16, GPU.computeType(TensorType.BF16));
        assertEquals(DType.BF16, GPU.computeType(TensorType.Q4_K));
        assertEquals(DType.BF16, GPU.computeType(TensorType.E4M3));
        assertEquals(2, GPU.bytesPerWeight(TensorType.E4M3, DType.BF16));
        assertEquals(DType.F32, GPU.kvType(TensorType.F32));
        assertEquals(DType.BF16, GPU.kvType(TensorType.F16));
        assertEquals(DType.BF16, GPU.kvType(TensorType.Q4_K));
        assertEquals(Duration.ofMillis(50), GPU.stepGoal());
        assertEquals(8192, GPU.maxStepTokens());
        assertEquals(512, GPU.maxStateKey());
    }

    @Test
    void anOldGpuIsRefused() {
        IllegalArgumentException old =
                assertThrows(IllegalArgumentException.class, () -> DeviceCapabilities.ofCuda(7, 5));
        assertEquals("compute capability 7.5 is below 8.0", old.getMessage());
    }

    @Test
    void openKernelsHaveTheCapabilitiesOfTheirInstructionSet() {
        try (TestDevice device = TestDeviceTest.open()) {
            assertEquals(PLAIN_CPU, device.kernels().capabilities());
            assertEquals(PLAIN_CPU.activationType(DType.F32), device.kernels().activationType());
        }
    }
}
