// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.Tolerances;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// The contracts over shared memory, and the tests of this communicator alone;
/// [HostCommunicatorProcessTest] runs it across processes.
final class HostCommunicatorTest implements SumContract, CopyContract, AbortContract {
    /// How long a rank whose wake-up is lost sleeps.
    private static final Duration SLICE = Duration.ofMillis(100);

    private HostGroup group;

    @BeforeEach
    void makeFolder() throws IOException {
        group = new HostGroup();
    }

    @AfterEach
    void nothingIsLeftInSharedMemory() throws IOException {
        List<?> left = group.files();
        group.close();
        assertEquals(List.of(), left);
    }

    @Override
    public int[] sizes() {
        return new int[] {1, 2, 3, 4};
    }

    @Override
    public void onEveryRank(int size, RankBody body) throws Exception {
        group.onEveryRank(size, body);
    }

    @Override
    public boolean sumsInRankOrder() {
        return true;
    }

    @Override
    public boolean sharesReasons() {
        return true;
    }

    @Override
    public Tolerances tolerances() {
        return Tolerances.STATED;
    }

    @Test
    void theBitsDoNotDependOnHowRanksWait() throws Exception {
        for (Waiting waiting : Waiting.values()) {
            group.onEveryRank(
                    3,
                    waiting,
                    (communicator, device) -> {
                        Tensor x = communicator.allocate(4000).tensor(0, DType.F32, 1, 1000);
                        for (int round = 0; round < 20; round++) {
                            device.write(x, RankValues.floats(round, communicator.rank(), 1000));
                            communicator.allReduceSum(x);
                            assertEquals(
                                    RankValues.rankOrderedSum(round, 3, 1000)[999],
                                    device.floats(x)[999]);
                        }
                    });
        }
    }

    /// Rank 1 comes late again and again, until rank 0 has waited for it.
    @Test
    void aRankKnowsHowLongItWaited() throws Exception {
        for (Waiting waiting : Waiting.values()) {
            var waited = new AtomicBoolean();
            group.onEveryRank(
                    2,
                    waiting,
                    (communicator, _) -> {
                        assertTrue(communicator.waitedNanos() >= 0);
                        boolean over = false;
                        while (!over) {
                            if (communicator.rank() == 1) {
                                Thread.sleep(2);
                            } else if (communicator.waitedNanos() > 5_000_000) {
                                waited.set(true);
                            }
                            communicator.barrier();
                            over = waited.get();
                            // Both have read it before rank 0 may set it.
                            communicator.barrier();
                        }
                    });
        }
    }

    @Test
    void ranksWithDifferentCallsAbortAndNameBothCalls() throws Exception {
        onEveryRank(
                2,
                (communicator, device) -> {
                    Tensor x = communicator.allocate(64).tensor(0, DType.F32, 1, 16);
                    CommunicatorAbortedException thrown =
                            assertThrows(
                                    CommunicatorAbortedException.class,
                                    () -> {
                                        if (communicator.rank() == 0) {
                                            communicator.barrier();
                                        } else {
                                            communicator.allReduceSum(x);
                                        }
                                    });
                    String message = String.valueOf(thrown.getMessage());
                    assertTrue(message.contains("barrier(0 bytes, root 0)"), message);
                    assertTrue(message.contains("allReduceSum(64 bytes, root 0)"), message);
                });
    }

    @Test
    void aReceiveOfAnotherLengthAborts() throws Exception {
        onEveryRank(
                2,
                (communicator, device) -> {
                    if (communicator.rank() == 0) {
                        communicator.send(device.zeros(DType.I32, 1, 3), 1);
                    } else {
                        assertAborted(
                                "rank 0 sends 12 bytes where rank 1 receives 8",
                                () -> communicator.receive(device.zeros(DType.I32, 1, 2), 0));
                    }
                });
    }

    @Test
    void waitingForAClosedRankAborts() throws Exception {
        onEveryRank(
                2,
                (communicator, device) -> {
                    communicator.barrier();
                    if (communicator.rank() == 0) {
                        assertAborted(
                                "rank 1 closed its communicator while rank 0 waits for it",
                                communicator::barrier);
                    }
                });
    }

    private static void assertAborted(String reason, Runnable call) {
        assertEquals(
                reason, assertThrows(CommunicatorAbortedException.class, call::run).getMessage());
    }

    @Test
    void invalidTensorsAndSizesAreRefused() throws Exception {
        onEveryRank(
                2,
                (communicator, device) -> {
                    Tensor half = communicator.allocate(64).tensor(0, DType.BF16, 1, 16);
                    CopyContract.assertRefused(
                            "x is BF16 [1, 16], needs F32 [1, 16]",
                            () -> communicator.allReduceSum(half));
                    Tensor elsewhere = device.zeros(DType.F32, 1, 16);
                    CopyContract.assertRefused(
                            "x is not in memory that allocate() of this communicator returned",
                            () -> communicator.allReduceSum(elsewhere));
                    CopyContract.assertRefused(
                            "%d bytes for a collective, %d of %d are free: open the communicator with more"
                                    .formatted(BYTES, BYTES - 64, BYTES),
                            () -> communicator.allocate(BYTES));
                });
    }

    /// A lost wake-up occurs in every try, while a busy machine makes only some rounds slow.
    @Test
    void lateRanksCauseNoLostWakeUps() throws Exception {
        int fewest = Integer.MAX_VALUE;
        for (int tries = 0; tries < 10 && fewest >= 15; tries++) {
            fewest = Math.min(fewest, slowRounds());
        }
        assertTrue(fewest < 15, "at least " + fewest + " of 60 are slow");
    }

    /// Returns in how many of 60 rounds the rank that waited most often slept for a slice.
    private int slowRounds() throws Exception {
        var slowest = new AtomicInteger();
        onEveryRank(
                3,
                (communicator, device) -> {
                    int slow = 0;
                    for (int round = 0; round < 60; round++) {
                        if (round % 3 == communicator.rank()) {
                            Thread.sleep(1);
                        }
                        long start = System.nanoTime();
                        communicator.barrier();
                        slow += System.nanoTime() - start < SLICE.toNanos() ? 0 : 1;
                    }
                    slowest.accumulateAndGet(slow, Math::max);
                });
        return slowest.get();
    }
}
