// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Optional;
import org.junit.jupiter.api.Test;

class ColumnGroupsTest {
    private static ColumnGroups groups(int count, int size, int... ofColumns) {
        RowReader reader =
                (row, from, out) -> {
                    for (int i = 0; i < out.length; i++) {
                        out[i] = ofColumns[from + i];
                    }
                };
        return new ColumnGroups(reader, ofColumns.length, count, size);
    }

    @Test
    void columnsOfAGroupFollowEachOther() {
        ColumnGroups groups = groups(2, 3, 1, 0, 1, 0, 0, 1);
        assertTrue(groups.areWhole());
        assertArrayEquals(new int[] {1, 3, 4, 0, 2, 5}, groups.columnOrder().orElseThrow());
        float[] values = new float[3];
        RowReader numbers =
                (row, from, out) -> {
                    for (int i = 0; i < out.length; i++) {
                        out[i] = 10 * row + from + i;
                    }
                };
        groups.ordered(numbers).read(2, 2, values);
        assertArrayEquals(new float[] {24, 20, 22}, values);
    }

    @Test
    void columnsThatAreInOrderHaveNoOther() {
        assertEquals(Optional.empty(), groups(3, 2, 0, 0, 1, 1, 2).columnOrder());
        assertTrue(groups(3, 2, 0, 0, 1, 1, 2).areWhole());
    }

    @Test
    void groupsOfOtherSizesAreNoBlocks() {
        assertFalse(groups(2, 2, 0, 1, 1, 1).areWhole());
        assertFalse(groups(2, 2, 0, 0, 2, 2).areWhole());
        assertFalse(groups(3, 2, 0, 0, 1, 1).areWhole());
    }
}
