// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.SamplingSettings;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class SlotTest {
    private static final SessionLimits LIMITS = new SessionLimits(64, 4, 40, 16);
    private static final int[] PROMPT = {10, 11, 12, 13, 14};
    private static final int[] OUTPUT = {20, 21};

    private static Slot slot(int kvGroups) {
        return new Slot(
                new Step.Admission("r", 3, PROMPT, OUTPUT, SamplingSettings.greedy(), 0), kvGroups);
    }

    private static Step.Row row(int computed, int count, int[]... newBlocks) {
        return new Step.Row(3, computed, count, List.of(newBlocks), List.of());
    }

    private static void assertRefused(Slot slot, Step.Row row, String message) {
        IllegalArgumentException refusal =
                assertThrows(IllegalArgumentException.class, () -> slot.advance(row, LIMITS));
        assertEquals("slot 3: " + message, refusal.getMessage());
    }

    @Test
    void promptAndEarlierOutputsAreConsecutiveIds() {
        Slot slot = slot(1);
        for (int i = 0; i < 5; i++) {
            assertEquals(PROMPT[i], slot.idAt(i, 3));
        }
        assertEquals(20, slot.idAt(5, 3));
        assertEquals(21, slot.idAt(6, 3));
    }

    @Test
    void afterItsIdsASlotRefersToItsLastSampledId() {
        assertEquals(-4, slot(1).idAt(7, 3));
        assertEquals(-1, slot(1).idAt(39, 0));
    }

    @Test
    void aTokenIsSampledOnceAllIdsAreComputed() {
        assertFalse(slot(1).samplesAt(6));
        assertTrue(slot(1).samplesAt(7));
        assertTrue(slot(1).samplesAt(8));
    }

    @Test
    void blocksAreAppendedToTheTableOfTheirKvGroup() {
        Slot slot = slot(2);
        slot.advance(row(0, 7, new int[] {4}, new int[] {9, 5}), LIMITS);
        slot.advance(row(7, 1, new int[] {2, 3}, new int[] {}), LIMITS);
        assertEquals(3, slot.blockCount(0));
        assertEquals(2, slot.blockCount(1));
        assertEquals(List.of(4, 2, 3), blocks(slot, 0));
        assertEquals(List.of(9, 5), blocks(slot, 1));
    }

    @Test
    void aTableGrowsWithItsSequence() {
        Slot slot = slot(1);
        int[] many = new int[100];
        Arrays.setAll(many, i -> i + 1);
        slot.advance(row(0, 7, many), LIMITS);
        slot.advance(row(7, 1, many), LIMITS);
        assertEquals(200, slot.blockCount(0));
        assertEquals(100, slot.blocks(0)[199]);
    }

    private static List<Integer> blocks(Slot slot, int group) {
        return Arrays.stream(slot.blocks(group)).limit(slot.blockCount(group)).boxed().toList();
    }

    @Test
    void aRowContinuesWhereTheLastOneEnded() {
        Slot slot = slot(1);
        slot.advance(row(0, 3, new int[] {1}), LIMITS);
        assertRefused(slot, row(0, 4), "row of 4 tokens at 0, the slot is at 3");
        assertRefused(slot, row(4, 1), "row of 1 tokens at 4, the slot is at 3");
        assertRefused(slot, row(3, 0), "row of 0 tokens at 3, the slot is at 3");
        slot.advance(row(3, 4, new int[] {}), LIMITS);
    }

    @Test
    void aRowMustHaveItsBlocks() {
        assertRefused(
                slot(1),
                row(0, 7, new int[] {}),
                "row of 7 tokens at 0, 0 blocks in KV group 0 do not hold 7 tokens");
        assertRefused(
                slot(2),
                row(0, 7, new int[] {1}),
                "row of 7 tokens at 0, blocks for 1 KV groups of 2");
        assertRefused(
                slot(2),
                row(0, 7, new int[] {1}, new int[] {}),
                "row of 7 tokens at 0, 0 blocks in KV group 1 do not hold 7 tokens");
    }

    @Test
    void aRowMustHaveKnownIds() {
        assertRefused(slot(1), row(0, 8, new int[] {1}), "row of 8 tokens at 0, 7 are known");
        Slot decoding = slot(1);
        decoding.advance(row(0, 7, new int[] {1}), LIMITS);
        assertRefused(decoding, row(7, 2, new int[] {}), "row of 2 tokens at 7, 1 are known");
    }

    @Test
    void aSequenceEndsAtTheLastPosition() {
        Slot slot = slot(1);
        slot.advance(row(0, 7, new int[] {1, 2, 3}), LIMITS);
        for (int position = 7; position < 40; position++) {
            slot.advance(row(position, 1, new int[] {}), LIMITS);
        }
        assertRefused(
                slot, row(40, 1, new int[] {}), "row of 1 tokens at 40, a sequence has at most 40");
        assertRefused(
                slot(1),
                row(0, Integer.MAX_VALUE, new int[] {1}),
                "row of 2147483647 tokens at 0, a sequence has at most 40");
    }

    @Test
    void anAdmissionMustHaveIds() {
        var empty =
                new Step.Admission("r", 3, new int[0], new int[0], SamplingSettings.greedy(), 0);
        IllegalArgumentException refusal =
                assertThrows(IllegalArgumentException.class, () -> new Slot(empty, 1));
        assertEquals("slot 3: an admission with no ids", refusal.getMessage());
    }
}
