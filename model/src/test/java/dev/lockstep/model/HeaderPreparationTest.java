// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

class HeaderPreparationTest {
    @Test
    void itsKernelsPrepareWithoutMemoryAndRunNothing() {
        Kernels kernels = new HeaderPreparation(_ -> false).kernels();
        Tensor vector = kernels.prepareVector(new float[3]);
        assertEquals(3, vector.columns());
        assertEquals(0, kernels.prepare(List.of(), DType.F32).bytes());
        assertEquals(8, kernels.prepareRotary(new float[2][4], new float[2][4]).dimensions());
        assertRefused("clear", () -> kernels.clear(vector));
        assertRefused("allocate", () -> kernels.allocate(1));
    }

    private static void assertRefused(String method, Runnable call) {
        UnsupportedOperationException refused =
                assertThrows(UnsupportedOperationException.class, call::run);
        assertEquals(method + " of a model that was loaded from headers", refused.getMessage());
    }
}
