// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/// The contract of buffers and copies.
public interface MemoryContract extends KernelsContract {

    @Test
    default void aBufferIsZeroedAndAligned() {
        try (TestDevice device = device()) {
            for (int elements : new int[] {1, 1000, 1 << 20}) {
                Tensor tensor = device.zeros(DType.F32, 1, elements);
                assertEquals(0, tensor.pointer().address() % 64);
                assertArrayEquals(new float[elements], device.floats(tensor));
            }
        }
    }

    @Test
    default void copiesRespectTheGapsBetweenRows() {
        try (TestDevice device = device()) {
            for (DType type : new DType[] {DType.F32, DType.F16, DType.BF16}) {
                Tensor all = device.tensor(type, 2, 4, 1, 2, 3, 4, 5, 6, 7, 8);
                assertArrayEquals(new float[] {2, 3, 6, 7}, device.floats(all.columns(1, 3)));
                device.write(all.columns(3, 4), 9, 10);
                assertArrayEquals(new float[] {1, 2, 3, 9, 5, 6, 7, 10}, device.floats(all));
            }
        }
    }

    @Test
    default void aHostSegmentThatIsTooShortIsRefused() {
        try (TestDevice device = device()) {
            Tensor tensor = device.zeros(DType.F32, 2, 2);
            assertThrows(
                    IllegalArgumentException.class,
                    () ->
                            device.kernels()
                                    .copyToDevice(MemorySegment.ofArray(new float[3]), tensor));
        }
    }
}
