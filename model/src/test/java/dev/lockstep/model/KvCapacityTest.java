// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.KvGroup;
import java.util.List;
import org.junit.jupiter.api.Test;

class KvCapacityTest {
    private static final int BLOCK = 16;

    @Test
    void anEncoderNeedsTheLeastBlocksOfAHostForAnySequences() {
        var kv =
                new KvCapacity(
                        List.of(KvGroup.full(List.of(0, 1)), KvGroup.window(List.of(2, 3), 65)),
                        extents(2, 1, 2, 1),
                        BLOCK,
                        1000,
                        false);
        assertEquals(2 * BLOCK * 1000, kv.bytesFor(1 << 20));
        assertEquals(3, kv.usableBlocks(kv.bytesFor(1)), "two groups share a pool");
        assertEquals(Integer.MAX_VALUE, kv.maxTokens(kv.bytesFor(1)));
        assertEquals(Long.MAX_VALUE, kv.maxSequences(kv.bytesFor(1)));
    }

    /// Returns two groups' layers and heads, of size 1.
    private static List<KvCapacity.Extent> extents(
            int layers, int heads, int otherLayers, int otherHeads) {
        return List.of(
                new KvCapacity.Extent(layers, heads, 1),
                new KvCapacity.Extent(otherLayers, otherHeads, 1));
    }

    private static KvCapacity of(long bytesPerToken, KvGroup... groups) {
        return new KvCapacity(List.of(groups), BLOCK, bytesPerToken);
    }

    @Test
    void aFullGroupHoldsAllBlocksExceptTheNullBlock() {
        KvCapacity kv = of(1000, KvGroup.full(List.of(0, 1)));
        assertEquals(160, kv.maxTokens(11 * BLOCK * 1000));
        assertEquals(144, kv.maxTokens(11 * BLOCK * 1000 - 1), "whole blocks only");
        assertEquals(0, kv.maxTokens(BLOCK * 1000));
        assertEquals(0, kv.maxTokens(0));
        assertEquals(10, kv.maxSequences(11 * BLOCK * 1000));
    }

    @Test
    void groupsWithEquallyManyLayersShareTheirBlocks() {
        // Two layers each: one pool of twice as many blocks. The window needs 3 of them, because 32
        // tokens may span 3 blocks; the rest belong to the full group.
        KvCapacity kv = of(1000, KvGroup.full(List.of(0, 1)), KvGroup.window(List.of(2, 3), 32));
        assertEquals(21, kv.usableBlocks(11 * BLOCK * 1000));
        assertEquals((21 - 3) * BLOCK, kv.maxTokens(11 * BLOCK * 1000));
        assertEquals(10, kv.maxSequences(11 * BLOCK * 1000));
        assertEquals(500, kv.bytesPerToken(kv.groups().getFirst()));
    }

    @Test
    void groupsOfDifferentSizesHaveDifferentPools() {
        KvCapacity kv = of(1000, KvGroup.full(List.of(0)), KvGroup.window(List.of(1, 2, 3), 32));
        assertEquals(10, kv.usableBlocks(11 * BLOCK * 1000));
        assertEquals(10 * BLOCK, kv.maxTokens(11 * BLOCK * 1000));
        assertEquals(250, kv.bytesPerToken(kv.groups().getFirst()));
        assertEquals(750, kv.bytesPerToken(kv.groups().getLast()));
    }

    @Test
    void groupsOfDifferentHeadsHavePoolsByWhatTheirLayersKeep() {
        List<KvGroup> groups =
                List.of(KvGroup.full(List.of(0, 1)), KvGroup.window(List.of(2, 3), 32));
        var different = new KvCapacity(groups, extents(2, 3, 2, 1), BLOCK, 1000, true);
        assertEquals(10, different.usableBlocks(11 * BLOCK * 1000));
        assertEquals(750, different.bytesPerToken(groups.getFirst()));
        assertEquals(
                of(1000, groups.toArray(KvGroup[]::new)),
                new KvCapacity(groups, extents(2, 1, 2, 1), BLOCK, 1000, true));
    }

    @Test
    void groupsOfDifferentHeadsWithEqualBytesHaveTheirOwnPoolsAndShareNumbers() {
        List<KvGroup> groups =
                List.of(KvGroup.full(List.of(0, 1)), KvGroup.window(List.of(2, 3), 32));
        var heads =
                new KvCapacity(
                        groups,
                        List.of(new KvCapacity.Extent(2, 1, 64), new KvCapacity.Extent(2, 2, 32)),
                        BLOCK,
                        1000,
                        true);
        var layers = new KvCapacity(groups, extents(2, 2, 4, 1), BLOCK, 1000, true);
        for (KvCapacity kv : List.of(heads, layers)) {
            assertEquals(10, kv.usableBlocks(11 * BLOCK * 1000));
            assertEquals((10 - 3) * BLOCK, kv.maxTokens(11 * BLOCK * 1000));
            assertEquals(5, kv.maxSequences(11 * BLOCK * 1000));
            assertTrue(kv.maxTokens(kv.bytesFor(100)) >= 100);
            assertEquals(500, kv.bytesPerToken(groups.getFirst()));
        }
    }

    @Test
    void windowGroupsAloneHoldAnyLengthOnceTheWindowFits() {
        KvCapacity kv = of(1000, KvGroup.window(List.of(0, 1), 32));
        assertEquals(Integer.MAX_VALUE, kv.maxTokens(4 * BLOCK * 1000));
        assertEquals(2 * BLOCK, kv.maxTokens(3 * BLOCK * 1000));
    }

    @Test
    void aSequenceFitsTheBytesComputedForItsLength() {
        List<KvCapacity> models =
                List.of(
                        of(7, KvGroup.full(List.of(0, 1, 2))),
                        of(12, KvGroup.full(List.of(0)), KvGroup.window(List.of(1), 40)),
                        of(
                                24,
                                KvGroup.full(List.of(0, 2)),
                                KvGroup.window(List.of(1, 3), 16),
                                KvGroup.window(List.of(4), 100)));
        for (KvCapacity kv : models) {
            for (int tokens = 1; tokens < 300; tokens++) {
                assertTrue(kv.maxTokens(kv.bytesFor(tokens)) >= tokens, kv + ": " + tokens);
            }
        }
        KvCapacity full = models.getFirst();
        assertEquals(11 * BLOCK * 7, full.bytesFor(160), "no more than needed");
        assertEquals(12 * BLOCK * 7, full.bytesFor(161));
    }

    @Test
    void anEmptyListOfGroupsIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> of(1000));
    }
}
