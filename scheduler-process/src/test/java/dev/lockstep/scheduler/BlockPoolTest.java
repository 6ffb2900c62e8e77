// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.Test;

class BlockPoolTest {
    @Test
    void everyBlockButTheNullBlockIsAllocatedOnce() {
        var pool = new BlockPool(5);
        var blocks = new HashSet<Integer>();
        while (pool.freeCount() > 0) {
            blocks.add(pool.allocate());
        }
        assertEquals(new HashSet<>(List.of(1, 2, 3, 4)), blocks);
        assertThrows(IllegalStateException.class, pool::allocate);
    }

    @Test
    void theBlockThatWasFreeLongestIsReusedFirst() {
        var pool = new BlockPool(4);
        int first = pool.allocate();
        int second = pool.allocate();
        pool.release(second);
        pool.release(first);
        assertEquals(3, pool.allocate());
        assertEquals(second, pool.allocate());
        assertEquals(first, pool.allocate());
    }

    @Test
    void aSharedBlockIsFreeOnlyAfterItsLastHolder() {
        var pool = new BlockPool(3);
        int block = pool.allocate();
        pool.retain(block);
        pool.release(block);
        assertEquals(1, pool.freeCount());
        pool.release(block);
        assertEquals(2, pool.freeCount());
    }

    @Test
    void aFreeBlockIsRevivedFromTheMiddleOfTheFreeList() {
        var pool = new BlockPool(4);
        pool.retain(2);
        pool.checkIntegrity(new int[] {1, 0, 1, 0});
        assertEquals(1, pool.allocate());
        assertEquals(3, pool.allocate());
    }

    @Test
    void releasingABlockWithoutHoldersIsAnError() {
        var pool = new BlockPool(3);
        int block = pool.allocate();
        pool.release(block);
        assertThrows(IllegalStateException.class, () -> pool.release(block));
        assertThrows(IllegalStateException.class, () -> pool.release(BlockPool.NULL_BLOCK));
    }

    @Test
    void aMissingReferenceIsDetected() {
        var pool = new BlockPool(3);
        pool.allocate();
        assertThrows(IllegalStateException.class, () -> pool.checkIntegrity(new int[3]));
    }
}
