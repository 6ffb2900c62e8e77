// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.kernels.SamplingSettings;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class SlotTableTest {
    private final SlotTable slots = new SlotTable(2);
    private final Slot slot =
            new Slot(
                    new Step.Admission(
                            "r", 0, new int[] {1}, new int[0], SamplingSettings.greedy(), 0),
                    1);

    private static void assertRefused(String message, Executable call) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, call).getMessage());
    }

    @Test
    void aSlotHoldsOneSequenceUntilItIsReleased() {
        slots.put(1, slot);
        assertSame(slot, slots.at(1));
        assertRefused("slot 1 is taken or not one of 2", () -> slots.put(1, slot));
        slots.clear(1);
        assertRefused("slot 1 is empty", () -> slots.at(1));
        slots.put(1, slot);
    }

    @Test
    void anEmptySlotCannotBeReleased() {
        assertRefused("slot 0 is empty", () -> slots.clear(0));
    }

    @Test
    void slotsThatDoNotExistAreRefused() {
        for (int index : new int[] {-1, 2, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            assertRefused("slot " + index + " is empty", () -> slots.at(index));
            assertRefused("slot " + index + " is empty", () -> slots.clear(index));
            assertRefused(
                    "slot " + index + " is taken or not one of 2", () -> slots.put(index, slot));
        }
    }
}
