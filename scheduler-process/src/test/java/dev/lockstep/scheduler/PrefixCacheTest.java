// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PrefixCacheTest {
    private static final int BLOCK_SIZE = 4;
    private static final BlockHasher HASHER = new BlockHasher("sixteen bytes it".getBytes(UTF_8));
    private static final BlockHash ROOT = HASHER.root();
    private final PrefixCache cache = new PrefixCache(50, BLOCK_SIZE, HASHER);

    @AfterEach
    void everyNameIsFound() {
        cache.checkIntegrity();
    }

    private BlockHash name(int block, int before, BlockHash parent, int... ids) {
        BlockHash name = HASHER.next(parent, ids, 0, BLOCK_SIZE);
        cache.name(block, 0, name.high(), name.low(), before, ROOT, ids, 7);
        return name;
    }

    private static Sequence sequence(int... ids) {
        return new Sequence(0, "r", ids, Choice.of(1));
    }

    @Test
    void aNamedBlockIsFoundUntilItIsForgotten() {
        BlockHash name = name(3, PrefixCache.NONE, ROOT, 1, 2, 3, 4);
        assertEquals(3, cache.find(0, name.high(), name.low()));
        assertEquals(PrefixCache.NONE, cache.find(1, name.high(), name.low()), "another KV group");
        assertEquals(7, cache.producer(3));
        cache.forget(3);
        assertEquals(PrefixCache.NONE, cache.find(0, name.high(), name.low()));
        assertFalse(cache.isNamed(3));
    }

    @Test
    void ofTwoBlocksWithOneNameTheFirstIsFound() {
        BlockHash name = name(3, PrefixCache.NONE, ROOT, 1, 2, 3, 4);
        int[] ids = {1, 2, 3, 4};
        assertFalse(cache.name(5, 0, name.high(), name.low(), PrefixCache.NONE, ROOT, ids, 8));
        assertEquals(3, cache.find(0, name.high(), name.low()));
        assertFalse(cache.isNamed(5));
    }

    @Test
    void theLongestBeginningOfAContinuationIsFound() {
        BlockHash first = name(1, PrefixCache.NONE, ROOT, 1, 2, 3, 4);
        name(2, 1, first, 5, 6, 9, 9);
        name(3, 1, first, 5, 6, 7, 9);
        name(4, 1, first, 8, 8, 8, 8);
        Sequence sequence = sequence(1, 2, 3, 4, 5, 6, 7, 8);
        assertEquals(3, cache.findPartial(0, 1, ROOT, sequence, 4, 3));
        assertEquals(3, cache.matched());
        cache.forget(3);
        assertEquals(2, cache.findPartial(0, 1, ROOT, sequence, 4, 3));
        assertEquals(2, cache.matched());
        cache.forget(1);
        assertEquals(PrefixCache.NONE, cache.findPartial(0, 1, ROOT, sequence, 4, 3));
    }

    @Test
    void theBeginningOfAFirstBlockIsFoundInItsOwnDomainOnly() {
        name(1, PrefixCache.NONE, ROOT, 1, 2, 3, 4);
        Sequence sequence = sequence(1, 2, 9, 9);
        assertEquals(1, cache.findPartial(0, PrefixCache.NONE, ROOT, sequence, 0, 3));
        assertEquals(2, cache.matched());
        // A root that shares the list of children, as one in 1,024 does, shares no block.
        for (long salt = 0; salt < 3000; salt++) {
            BlockHash other = HASHER.root(salt, 1);
            assertEquals(
                    PrefixCache.NONE,
                    cache.findPartial(0, PrefixCache.NONE, other, sequence, 0, 3),
                    "salt " + salt);
        }
    }

    @Test
    void anAdoptedBlockIsFoundByNameOnly() {
        var name = new BlockHash(11, 12);
        assertTrue(cache.nameOnly(9, 0, name));
        assertEquals(9, cache.find(0, 11, 12));
        assertFalse(cache.nameOnly(10, 0, name));
    }

    @Test
    void itAgreesWithAMapUnderRandomUse() {
        var random = new Random(5);
        Map<BlockHash, Integer> model = new HashMap<>();
        BlockHash[] names = new BlockHash[50];
        for (int round = 0; round < 5000; round++) {
            int block = 1 + random.nextInt(49);
            if (cache.isNamed(block)) {
                cache.forget(block);
                model.remove(names[block]);
            } else {
                int[] ids = {random.nextInt(20), 0, 0, 0};
                int before = 1 + random.nextInt(49);
                boolean continues = cache.isNamed(before) && before != block;
                BlockHash parent = continues ? cache.name(before) : ROOT;
                BlockHash name = HASHER.next(parent, ids, 0, BLOCK_SIZE);
                boolean fresh =
                        cache.name(
                                block,
                                0,
                                name.high(),
                                name.low(),
                                continues ? before : PrefixCache.NONE,
                                ROOT,
                                ids,
                                0);
                assertEquals(!model.containsKey(name), fresh);
                if (fresh) {
                    model.put(name, block);
                    names[block] = name;
                }
            }
            if (round % 100 == 0) {
                cache.checkIntegrity();
                model.forEach(
                        (name, where) ->
                                assertEquals(where, cache.find(0, name.high(), name.low())));
            }
        }
    }
}
