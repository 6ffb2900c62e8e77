// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.List;
import org.junit.jupiter.api.Test;

class CpusTest {
    @Test
    void aListHoldsNumbersAndRanges() {
        assertEquals(List.of(0), Cpus.parse("0"));
        assertEquals(List.of(0, 1, 2, 3, 8, 10, 11), Cpus.parse("0-3,8,10-11"));
        assertEquals(List.of(127, 128), Cpus.parse("127-128"));
    }

    @Test
    void thisProcessMayUseAtLeastOneCpu() {
        assertFalse(Cpus.allowed().isEmpty());
    }
}
