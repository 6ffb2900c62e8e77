// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.checkpoint.RowOrder;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.checkpoint.WeightMatrix;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

class OutputRowsTest {
    private static final OutputRows ALL =
            OutputRows.of(
                    new WeightMatrix(
                            "w",
                            TensorType.F32,
                            8,
                            2,
                            new RowOrder.AsIs(),
                            MemorySegment.ofArray(new float[8 * 2])));

    @Test
    void rowsOfRowsAreCountedFromTheFirstOfThem() {
        assertEquals(new Span(0, 8), ALL.rows());
        assertEquals(new Span(3, 5), ALL.cut(new Span(2, 7)).cut(new Span(1, 3)).rows());
        assertEquals(0, ALL.cut(new Span(8, 8)).rows().size());
    }

    @Test
    void rowsOutsideAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> ALL.cut(new Span(2, 9)));
        OutputRows some = ALL.cut(new Span(2, 5));
        assertThrows(IllegalArgumentException.class, () -> some.cut(new Span(0, 4)));
    }
}
