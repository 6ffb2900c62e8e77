// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Optional;
import org.junit.jupiter.api.Test;

class StreamFenceTest {
    private final StreamFence<String> fence = new StreamFence<>();

    @Test
    void aHigherEpochReplacesTheStream() {
        assertTrue(fence.adopt(3, "first"));
        assertTrue(fence.admits("first"));
        assertTrue(fence.adopt(4, "second"));
        assertFalse(fence.admits("first"));
        assertEquals(Optional.of("second"), fence.current());
    }

    @Test
    void anEpochThatWasSeenIsRefusedAlsoAfterItsStreamHasEnded() {
        assertTrue(fence.adopt(3, "first"));
        assertFalse(fence.adopt(3, "equal"));
        assertFalse(fence.adopt(2, "lower"));
        assertTrue(fence.release("first"));
        assertFalse(fence.adopt(3, "first"));
        assertFalse(fence.admits("first"));
        assertEquals(3, fence.highestEpoch());
    }

    @Test
    void theEndOfAReplacedStreamChangesNothing() {
        assertTrue(fence.adopt(3, "first"));
        assertTrue(fence.adopt(4, "second"));
        assertFalse(fence.release("first"));
        assertTrue(fence.admits("second"));
    }

    @Test
    void stepsOfAnEpochRunInOrder() {
        var order = new StepOrder(7);
        order.require(7, 1);
        order.ran();
        order.require(7, 2);
        order.ran();
        for (long number : new long[] {1, 2, 4}) {
            assertThrows(IllegalStateException.class, () -> order.require(7, number));
        }
        IllegalStateException other =
                assertThrows(IllegalStateException.class, () -> order.require(6, 3));
        assertEquals("step (6, 3) after (7, 2)", other.getMessage());
        order.require(7, 3);
        assertEquals(2, order.last());
    }
}
