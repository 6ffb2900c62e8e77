// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// The contract of writing single entries of a matrix of integers that stays on the device.
public interface ScatterContract extends KernelsContract {

    @Test
    default void onlyTheEntriesOfTheIndicesAreWritten() {
        var random = new Random(1);
        for (int count : new int[] {0, 1, 7, 256, 1000}) {
            try (TestDevice device = device()) {
                int[] expected = new int[40 * 50];
                Arrays.setAll(expected, i -> -i);
                Tensor out = device.ints(40, 50, expected);
                int[] indices = random.ints(0, expected.length).distinct().limit(count).toArray();
                int[] values = new int[count];
                for (int i = 0; i < count; i++) {
                    values[i] = random.nextInt();
                    if (random.nextInt(4) == 0) {
                        indices[i] = -1;
                    } else {
                        expected[indices[i]] = values[i];
                    }
                }
                device.kernels()
                        .scatter(
                                device.ints(1, count, indices), device.ints(1, count, values), out);
                assertArrayEquals(expected, device.ints(out));
            }
        }
    }

    @Test
    default void rowsOfALargerMatrixAreOneVectorFromTheirFirstElement() {
        try (TestDevice device = device()) {
            Tensor all = device.ints(4, 2, 1, 2, 3, 4, 5, 6, 7, 8);
            device.kernels()
                    .scatter(device.ints(1, 2, 3, 0), device.ints(1, 2, 30, 20), all.rows(1, 3));
            assertArrayEquals(new int[] {1, 2, 20, 4, 5, 30, 7, 8}, device.ints(all));
        }
    }

    @Test
    default void anIndexOutOfRangeIsRefusedAndWritesNothingThere() {
        try (TestDevice device = device()) {
            Tensor all = device.ints(3, 2, 1, 2, 3, 4, 5, 6);
            Tensor out = all.rows(1, 2);
            for (int index : new int[] {-2, 2, 3, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
                Tensor indices = device.ints(1, 2, -1, index);
                Tensor values = device.ints(1, 2, 8, 9);
                IndexException refused =
                        assertInstanceOf(
                                IndexException.class,
                                device.requireRefused(
                                        () -> device.kernels().scatter(indices, values, out)));
                assertEquals(CheckedIndex.SCATTERED_INDEX, refused.checked());
                assertEquals(1, refused.index());
                assertEquals(index, refused.value());
                assertEquals(2, refused.limit());
            }
            assertArrayEquals(new int[] {1, 2, 3, 4, 5, 6}, device.ints(all));
        }
    }

    @Test
    default void tensorsOfOtherShapesAreRefused() {
        try (TestDevice device = device()) {
            Tensor two = device.ints(1, 2, 0, 1);
            Tensor three = device.ints(1, 3, 0, 1, 2);
            Tensor out = device.ints(2, 2, 0, 0, 0, 0);
            Kernels kernels = device.kernels();
            assertThrows(IllegalArgumentException.class, () -> kernels.scatter(two, three, out));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> kernels.scatter(two, two, out.columns(0, 1)));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> kernels.scatter(two, two, device.zeros(DType.F32, 2, 2)));
        }
    }
}
