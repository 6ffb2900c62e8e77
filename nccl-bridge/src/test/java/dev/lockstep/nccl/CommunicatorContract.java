// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Tensor;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// The contract of every communicator; a subclass defines how its ranks start.
abstract class CommunicatorContract {
    /// Bytes each rank may allocate in one group.
    static final long BYTES = 8 << 20;

    /// The code that one rank runs.
    @FunctionalInterface
    interface RankBody {
        void run(Communicator communicator, FakeKernels kernels) throws Exception;
    }

    abstract int[] sizes();

    /// Runs `body` on every rank of a new group at once; throws what any rank threw.
    abstract void onEveryRank(int size, RankBody body) throws Exception;

    @Test
    void aSumOfAnySizeHasTheBitsOfRankOrder() throws Exception {
        int[] counts = {1, 7, 576, 4096, 10_922, 10_923, 16_384, 16_385, 100_003, 300_000};
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, kernels) -> {
                        DeviceBuffer buffer = communicator.allocate(300_000 * 4);
                        for (int count : counts) {
                            Tensor x = buffer.tensor(0, DType.F32, 1, count);
                            FakeKernels.fill(
                                    x, RankValues.floats(count, communicator.rank(), count));
                            communicator.allReduceSum(x);
                            assertArrayEquals(
                                    RankValues.rankOrderedSum(count, size, count),
                                    FakeKernels.floats(x));
                        }
                    });
        }
    }

    @Test
    void sumsOfRandomSizesAndPausesNeverMixTwoRounds() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, kernels) -> {
                        var same = new Random(size);
                        var own = new Random(communicator.rank());
                        DeviceBuffer buffer = communicator.allocate(200_000);
                        for (int round = 0; round < 200; round++) {
                            int count = 1 + same.nextInt(round % 10 == 0 ? 40_000 : 600);
                            int skipped = same.nextInt(100) * 4;
                            Tensor x = buffer.tensor(skipped, DType.F32, 1, count);
                            FakeKernels.fill(
                                    x, RankValues.floats(round, communicator.rank(), count));
                            if (own.nextInt(20) == 0) {
                                Thread.sleep(0, own.nextInt(500_000));
                            }
                            communicator.allReduceSum(x);
                            assertArrayEquals(
                                    RankValues.rankOrderedSum(round, size, count),
                                    FakeKernels.floats(x));
                        }
                    });
        }
    }

    @Test
    void theSumWithNormAddsToTheResidualAndNormalisesIt() throws Exception {
        int rows = 3;
        int columns = 96;
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, kernels) -> {
                        Tensor x =
                                communicator
                                        .allocate(4L * rows * columns)
                                        .tensor(0, DType.F32, rows, columns);
                        Tensor residual = kernels.tensor(DType.F32, rows, columns);
                        Tensor weight = kernels.tensor(DType.F32, 1, columns);
                        Tensor out = kernels.tensor(DType.F32, rows, columns);
                        float[] before = RankValues.floats(99, 0, rows * columns);
                        float[] scale = RankValues.floats(98, 0, columns);
                        FakeKernels.fill(
                                x, RankValues.floats(1, communicator.rank(), rows * columns));
                        FakeKernels.fill(residual, before);
                        FakeKernels.fill(weight, scale);

                        communicator.allReduceAddRmsNorm(x, residual, weight, 1e-5f, out);

                        float[] sum = RankValues.rankOrderedSum(1, size, rows * columns);
                        for (int i = 0; i < sum.length; i++) {
                            sum[i] = before[i] + sum[i];
                        }
                        assertArrayEquals(sum, FakeKernels.floats(residual));
                        float[] result = FakeKernels.floats(out);
                        for (int row = 0; row < rows; row++) {
                            double squares = 0;
                            for (int i = 0; i < columns; i++) {
                                squares += Math.pow(sum[row * columns + i], 2);
                            }
                            for (int i = 0; i < columns; i++) {
                                int at = row * columns + i;
                                double expected =
                                        sum[at] / Math.sqrt(squares / columns + 1e-5) * scale[i];
                                // A few roundings of an fp32 norm.
                                assertEquals(
                                        expected, result[at], 1e-5 * Math.abs(expected) + 1e-12);
                            }
                        }
                    });
        }
    }

    @Test
    void unevenColumnsAreGatheredSideBySideOnTheRootAlone() throws Exception {
        int[][] cuts = {{5}, {64, 32}, {0, 7}, {0, 0}, {33, 0, 31}, {1, 2, 0, 40_000}};
        for (int size : sizes()) {
            for (int[] columns : cuts) {
                if (columns.length == size) {
                    gather(columns, 1, 0);
                    gather(columns, 9, 0);
                    gather(columns, 9, size - 1);
                }
            }
        }
    }

    private void gather(int[] columns, int rows, int root) throws Exception {
        int total = Arrays.stream(columns).sum();
        onEveryRank(
                columns.length,
                (communicator, kernels) -> {
                    int rank = communicator.rank();
                    long maxBytes = 4L * rows * Arrays.stream(columns).max().orElseThrow();
                    Tensor part =
                            communicator
                                    .allocate(maxBytes)
                                    .tensor(0, DType.F32, rows, columns[rank]);
                    // Wider than what is gathered: the gap must stay unchanged.
                    Tensor wide = kernels.tensor(DType.F32, rows, total + 3);
                    for (int round = 0; round < 3; round++) {
                        FakeKernels.fill(
                                part, RankValues.floats(round, rank, rows * columns[rank]));
                        communicator.gather(part, columns, root, wide.columns(0, total));
                        FakeKernels.fill(part, new float[rows * columns[rank]]);
                        float[] expected = new float[rows * (total + 3)];
                        int start = 0;
                        for (int from = 0; from < columns.length && rank == root; from++) {
                            float[] theirs = RankValues.floats(round, from, rows * columns[from]);
                            for (int row = 0; row < rows; row++) {
                                System.arraycopy(
                                        theirs,
                                        row * columns[from],
                                        expected,
                                        row * (total + 3) + start,
                                        columns[from]);
                            }
                            start += columns[from];
                        }
                        assertArrayEquals(expected, FakeKernels.floats(wide));
                    }
                });
    }

    @Test
    void onlyTheRootNeedsMemoryForWhatIsGathered() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, kernels) -> {
                        boolean isRoot = communicator.rank() == size - 1;
                        Tensor part = communicator.allocate(2 * 4).tensor(0, DType.F32, 2, 1);
                        FakeKernels.fill(part, RankValues.floats(1, communicator.rank(), 2));
                        Tensor out = kernels.tensor(DType.F32, 2, isRoot ? size : 0);
                        int[] columns = new int[size];
                        Arrays.fill(columns, 1);
                        communicator.gather(part, columns, size - 1, out);
                        float[] gathered = FakeKernels.floats(out);
                        for (int from = 0; isRoot && from < size; from++) {
                            float[] theirs = RankValues.floats(1, from, 2);
                            assertEquals(theirs[0], gathered[from]);
                            assertEquals(theirs[1], gathered[size + from]);
                        }
                        communicator.barrier();
                    });
        }
    }

    @Test
    void gatheringWithTheWrongShapesIsRefused() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, kernels) -> {
                        Tensor part = communicator.allocate(3 * 4).tensor(0, DType.F32, 1, 3);
                        int[] columns = new int[size];
                        Arrays.fill(columns, 3);
                        int rank = communicator.rank();
                        assertRefused(
                                "out is F32 [1, 1], needs F32 [1, %d]".formatted(3 * size),
                                () -> communicator.gather(part, columns, rank, part.columns(0, 1)));
                        assertRefused(
                                "columns has %d entries, the group has %d ranks"
                                        .formatted(size + 1, size),
                                () -> communicator.gather(part, new int[size + 1], 0, part));
                        columns[rank] = 2;
                        assertRefused(
                                "part is F32 [1, 3], needs F32 [1, 2]",
                                () -> communicator.gather(part, columns, 0, part));
                        assertRefused(
                                "root is rank -1, the group has ranks 0 to %d".formatted(size - 1),
                                () -> communicator.gather(part, columns, -1, part));
                    });
        }
    }

    static void assertRefused(String reason, Runnable call) {
        assertEquals(reason, assertThrows(IllegalArgumentException.class, call::run).getMessage());
    }

    @Test
    void everyRankGetsTheRootsBytesOfAnyType() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, kernels) -> {
                        for (DType type : DType.values()) {
                            for (int root = 0; root < size; root++) {
                                Tensor x = kernels.tensor(type, 3, 130_001);
                                byte[] sent = RankValues.bytes(root, (int) x.bytes());
                                if (communicator.rank() == root) {
                                    FakeKernels.fill(x, sent);
                                }
                                communicator.broadcast(x, root);
                                assertArrayEquals(sent, FakeKernels.bytes(x));
                            }
                        }
                    });
        }
    }

    @Test
    void tensorsSentAroundTheRingArriveUnchanged() throws Exception {
        for (int size : sizes()) {
            if (size == 1) {
                continue;
            }
            onEveryRank(
                    size,
                    (communicator, kernels) -> {
                        int rank = communicator.rank();
                        for (int count : new int[] {0, 1, 5000, 262_144, 700_001}) {
                            Tensor x = kernels.tensor(DType.I8, 1, count);
                            if (rank == 0) {
                                FakeKernels.fill(x, RankValues.bytes(count, count));
                                communicator.send(x, 1);
                                communicator.receive(x, size - 1);
                            } else {
                                communicator.receive(x, rank - 1);
                                communicator.send(x, (rank + 1) % size);
                            }
                            assertArrayEquals(RankValues.bytes(count, count), FakeKernels.bytes(x));
                        }
                        communicator.barrier();
                    });
        }
    }

    @Test
    void noRankIsReleasedFromABarrierBeforeAllHaveArrived() throws Exception {
        for (int size : sizes()) {
            var arrived = new AtomicInteger();
            onEveryRank(
                    size,
                    (communicator, kernels) -> {
                        for (int round = 1; round <= 50; round++) {
                            arrived.incrementAndGet();
                            communicator.barrier();
                            assertTrue(arrived.get() >= round * size);
                            communicator.barrier();
                        }
                    });
        }
    }

    @Test
    void allocatedMemoryIsZeroedAndAligned() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, kernels) -> {
                        for (int bytes : new int[] {1, 100, 4096}) {
                            DeviceBuffer buffer = communicator.allocate(bytes);
                            assertEquals(bytes, buffer.bytes());
                            assertEquals(0, buffer.pointer().address() % 64);
                            assertArrayEquals(
                                    new byte[bytes],
                                    FakeKernels.bytes(buffer.tensor(0, DType.I8, 1, bytes)));
                        }
                    });
        }
    }

    @Test
    void anAbortByOneRankFailsAllRanksWithItsReason() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, kernels) -> {
                        communicator.barrier();
                        if (communicator.rank() == size - 1) {
                            communicator.abort("the stream broke");
                            communicator.abort("a second reason");
                        }
                        // Rank 0 of a larger group may still be entering the wait.
                        CommunicatorAbortedException thrown =
                                assertThrows(
                                        CommunicatorAbortedException.class,
                                        () -> {
                                            while (true) {
                                                communicator.barrier();
                                            }
                                        });
                        assertEquals(
                                "aborted by rank %d: the stream broke".formatted(size - 1),
                                thrown.getMessage());
                    });
        }
    }

    @Test
    void aRankOutsideTheGroupIsRefusedWithItsNumber() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, kernels) -> {
                        Tensor x = kernels.tensor(DType.I32, 1, 1);
                        assertEquals(
                                "root is rank %d, the group has ranks 0 to %d"
                                        .formatted(size, size - 1),
                                assertThrows(
                                                IllegalArgumentException.class,
                                                () -> communicator.broadcast(x, size))
                                        .getMessage());
                        assertThrows(
                                IllegalArgumentException.class,
                                () -> communicator.send(x, communicator.rank()));
                        assertThrows(
                                IllegalArgumentException.class, () -> communicator.receive(x, -1));
                    });
        }
    }
}
