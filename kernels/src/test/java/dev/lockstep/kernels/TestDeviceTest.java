// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.kernels.cpu.InstructionSet;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.opentest4j.AssertionFailedError;

/// The conversions between host floats and tensors that the contracts rely on.
final class TestDeviceTest {
    private static final DType[] FLOATS = {DType.F32, DType.F16, DType.BF16};

    @Test
    void tensorsOfEveryFloatTypeReturnTheRoundedValues() {
        float[] values = TestValues.normal(new Random(1), 3 * 37);
        values[0] = 0;
        values[1] = -0f;
        values[2] = Float.POSITIVE_INFINITY;
        values[3] = Float.NEGATIVE_INFINITY;
        values[4] = Float.NaN;
        try (TestDevice device = open()) {
            for (DType type : FLOATS) {
                Tensor tensor = device.tensor(type, 3, 37, values);
                assertEquals(type, tensor.type());
                assertArrayEquals(Rounding.of(values, type), device.floats(tensor));
                assertEquals(Integer.MIN_VALUE, device.bits(tensor)[1], "−0 stays −0");
                Tensor part = tensor.columns(5, 9);
                device.write(part, new float[12]);
                assertArrayEquals(new float[12], device.floats(part));
                assertEquals(Rounding.of(values[40], type), device.floats(tensor)[40]);
            }
        }
    }

    @Test
    void bf16RoundsHalfToEven() {
        float above = 1 + 0x1p-7f;
        assertEquals(1, Rounding.of(1 + 0x1p-8f, DType.BF16), "a tie, down to even");
        assertEquals(1 + 0x1p-6f, Rounding.of(above + 0x1p-8f, DType.BF16), "a tie, up to even");
        assertEquals(above, Rounding.of(1 + 0x1.01p-8f, DType.BF16));
        assertEquals(-above, Rounding.of(-above, DType.BF16));
        assertEquals(
                Float.POSITIVE_INFINITY, Rounding.of(Float.MAX_VALUE, DType.BF16), "overflows");
        assertTrue(Float.isNaN(Rounding.of(Float.intBitsToFloat(0x7F800001), DType.BF16)));
    }

    @Test
    void aRoundedValueIsWithinTheUnitOfItsType() {
        float[] values = TestValues.normal(new Random(2), 10_000);
        for (DType type : FLOATS) {
            double greatest = 0;
            for (float value : values) {
                Rounding.requireClose(value, Rounding.of(value, type), 0, type);
                double error = Math.abs(value - Rounding.of(value, type)) / Math.abs(value);
                greatest = Math.max(greatest, error);
            }
            assertTrue(type == DType.F32 || greatest > 0.9 * Rounding.unit(type), "not looser");
        }
        assertThrows(
                AssertionFailedError.class,
                () -> Rounding.requireClose(1, 1 + 0x1p-7f, 1e-6, DType.BF16));
        assertThrows(
                AssertionFailedError.class,
                () -> Rounding.requireClose(1, 1.0001f, 1e-6, DType.F32));
        assertThrows(IllegalArgumentException.class, () -> Rounding.of(1, DType.I32));
    }

    @Test
    void activationsHaveTheTypeOfTheKernels() {
        try (TestDevice device = open()) {
            assertEquals(device.kernels().activationType(), device.activations(1, 1, 3).type());
            assertEquals(device.kernels().activationType(), device.zeros(1, 1).type());
        }
    }

    @Test
    void anOpThatIsNotRefusedFailsTheTest() {
        try (TestDevice device = open()) {
            assertThrows(AssertionFailedError.class, () -> device.requireRefused(() -> {}));
        }
    }

    static TestDevice open() {
        return new TestDevice(
                CpuKernels.open(CpuOptions.ofThreads(1).with(InstructionSet.VECTOR_API)));
    }
}
