// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class HostCpusTest {
    @Test
    void aListHoldsNumbersAndRanges() {
        assertEquals(List.of(0), HostCpus.parse("0"));
        assertEquals(List.of(0, 1, 2, 3, 8, 10, 11), HostCpus.parse("0-3,8,10-11"));
        assertEquals(List.of(127, 128), HostCpus.parse("127-128"));
    }

    @Test
    void thisProcessHasCpusAndMemory() {
        assertTrue(HostCpus.ofProcess().count() > 0);
        assertTrue(HostMemory.availableBytes() > 1 << 20);
    }
}
