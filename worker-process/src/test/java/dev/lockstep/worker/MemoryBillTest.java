package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class MemoryBillTest {
    private static final long MIB = 1L << 20;
    private static final long GIB = 1L << 30;

    @Test
    void kvTakesHalfOfWhatIsFreeWhenThatIsLeast() {
        assertEquals(GIB / 2, HostMemory.defaultKvBytes(GIB, 65536, 64, 8192));
    }

    @Test
    void kvTakesAtMostTwoGibibytesByItself() {
        assertEquals(2 * GIB, HostMemory.defaultKvBytes(100 * GIB, 65536, 64, 8192));
    }

    @Test
    void kvTakesNoMoreThanTheLongestSequencesNeedInWholeBlocksAndTheNullBlock() {
        // 3 sequences of 100 tokens: 7 blocks of 16 each, and block 0.
        assertEquals(22 * 16 * 1024, HostMemory.defaultKvBytes(GIB, 1024, 3, 100));
        assertEquals((3 * 6 + 1) * 16 * 1024, HostMemory.defaultKvBytes(GIB, 1024, 3, 96));
    }

    @Test
    void theLargestLimitsDoNotOverflow() {
        assertEquals(2 * GIB, HostMemory.defaultKvBytes(1L << 42, 1 << 20, 65536, 1 << 24));
    }

    @Test
    void whatFitsExactlyIsTaken() {
        MemoryBill bill = new MemoryBill(5 * MIB, 3 * MIB, 2 * MIB);
        assertEquals(10 * MIB, bill.total());
        assertDoesNotThrow(() -> bill.requireFits(10 * MIB));
    }

    @Test
    void aRefusalNamesEveryNumberAndTheSettingsThatHelp() {
        MemoryBill bill = new MemoryBill(3000 * MIB, 2048 * MIB, 100 * MIB);
        var refusal = assertThrows(OutOfHostMemoryException.class, () -> bill.requireFits(4 * GIB));
        assertEquals(
                "the rank needs 5,148 MiB (weights 3,000 MiB, KV 2,048 MiB, activations 100 MiB)"
                        + " of 4,096 MiB free: lower --kv-memory, --max-num-seqs or"
                        + " --max-num-batched-tokens",
                refusal.getMessage());
    }

    @Test
    void thisHostHasMemory() {
        assertTrue(HostMemory.availableBytes() > MIB);
    }
}
