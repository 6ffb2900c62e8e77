// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// The contract of what copies between ranks and of the memory it uses.
interface CopyContract extends CommunicatorContract {

    @Test
    default void unevenColumnsAreGatheredSideBySideOnTheRootAlone() throws Exception {
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
                (communicator, device) -> {
                    int rank = communicator.rank();
                    long maxBytes = 4L * rows * Arrays.stream(columns).max().orElseThrow();
                    Tensor part =
                            communicator
                                    .allocate(maxBytes)
                                    .tensor(0, DType.F32, rows, columns[rank]);
                    // Wider than what is gathered: the gap must stay unchanged.
                    Tensor wide = device.zeros(DType.F32, rows, total + 3);
                    for (int round = 0; round < 3; round++) {
                        device.write(part, RankValues.floats(round, rank, rows * columns[rank]));
                        communicator.gather(part, columns, root, wide.columns(0, total));
                        device.write(part, new float[rows * columns[rank]]);
                        float[] expected =
                                rank == root
                                        ? sideBySide(columns, rows, round)
                                        : new float[rows * (total + 3)];
                        assertArrayEquals(expected, device.floats(wide));
                    }
                });
    }

    /// Returns the parts of a round as rows that are 3 wider than all columns.
    private static float[] sideBySide(int[] columns, int rows, int round) {
        int stride = Arrays.stream(columns).sum() + 3;
        float[] all = new float[rows * stride];
        int start = 0;
        for (int from = 0; from < columns.length; from++) {
            float[] theirs = RankValues.floats(round, from, rows * columns[from]);
            for (int row = 0; row < rows; row++) {
                System.arraycopy(
                        theirs, row * columns[from], all, row * stride + start, columns[from]);
            }
            start += columns[from];
        }
        return all;
    }

    @Test
    default void onlyTheRootNeedsMemoryForWhatIsGathered() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, device) -> {
                        boolean isRoot = communicator.rank() == size - 1;
                        Tensor part = communicator.allocate(2 * 4).tensor(0, DType.F32, 2, 1);
                        device.write(part, RankValues.floats(1, communicator.rank(), 2));
                        Tensor out = device.zeros(DType.F32, 2, isRoot ? size : 0);
                        int[] columns = new int[size];
                        Arrays.fill(columns, 1);
                        communicator.gather(part, columns, size - 1, out);
                        float[] gathered = device.floats(out);
                        for (int from = 0; isRoot && from < size; from++) {
                            float[] theirs = RankValues.floats(1, from, 2);
                            assertEquals(theirs[0], gathered[from]);
                            assertEquals(theirs[1], gathered[size + from]);
                        }
                    });
        }
    }

    @Test
    default void aSingleRankMayGatherInPlace() throws Exception {
        for (int size : sizes()) {
            if (size > 1) {
                continue;
            }
            onEveryRank(
                    size,
                    (communicator, device) -> {
                        float[] values = RankValues.floats(1, 0, 6);
                        Tensor part = communicator.allocate(6 * 4).tensor(0, DType.F32, 2, 3);
                        device.write(part, values);
                        communicator.gather(part, new int[] {3}, 0, part);
                        assertArrayEquals(values, device.floats(part));
                    });
        }
    }

    @Test
    default void gatheringWithTheWrongShapesIsRefused() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, device) -> {
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
    default void everyRankGetsTheRootsBytesOfAnyType() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, device) -> {
                        for (DType type : DType.values()) {
                            for (int root = 0; root < size; root++) {
                                Tensor x = device.zeros(type, 3, 130_001);
                                byte[] sent = RankValues.bytes(root, (int) x.bytes());
                                if (communicator.rank() == root) {
                                    fill(device, x, sent);
                                }
                                communicator.broadcast(x, root);
                                assertArrayEquals(sent, bytes(device, x));
                            }
                        }
                    });
        }
    }

    @Test
    default void tensorsSentAroundTheRingArriveUnchanged() throws Exception {
        for (int size : sizes()) {
            if (size == 1) {
                continue;
            }
            onEveryRank(
                    size,
                    (communicator, device) -> {
                        int rank = communicator.rank();
                        for (int count : new int[] {0, 1, 5000, 262_144, 700_001}) {
                            Tensor x = device.zeros(DType.I8, 1, count);
                            if (rank == 0) {
                                fill(device, x, RankValues.bytes(count, count));
                                communicator.send(x, 1);
                                communicator.receive(x, size - 1);
                            } else {
                                communicator.receive(x, rank - 1);
                                communicator.send(x, (rank + 1) % size);
                            }
                            assertArrayEquals(RankValues.bytes(count, count), bytes(device, x));
                        }
                        communicator.barrier();
                    });
        }
    }

    @Test
    default void noRankIsReleasedFromABarrierBeforeAllHaveArrived() throws Exception {
        for (int size : sizes()) {
            var arrived = new AtomicInteger();
            onEveryRank(
                    size,
                    (communicator, _) -> {
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
    default void allocatedMemoryIsZeroedAndAligned() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, device) -> {
                        for (int bytes : new int[] {1, 100, 4096}) {
                            DeviceBuffer buffer = communicator.allocate(bytes);
                            assertEquals(bytes, buffer.bytes());
                            assertEquals(0, buffer.pointer().address() % 64);
                            Tensor all = buffer.tensor(0, DType.I8, 1, bytes);
                            assertArrayEquals(new byte[bytes], bytes(device, all));
                        }
                    });
        }
    }

    @Test
    default void aRankOutsideTheGroupIsRefusedWithItsNumber() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, device) -> {
                        Tensor x = device.zeros(DType.I32, 1, 1);
                        assertRefused(
                                "root is rank %d, the group has ranks 0 to %d"
                                        .formatted(size, size - 1),
                                () -> communicator.broadcast(x, size));
                        assertThrows(
                                IllegalArgumentException.class,
                                () -> communicator.send(x, communicator.rank()));
                        assertThrows(
                                IllegalArgumentException.class, () -> communicator.receive(x, -1));
                    });
        }
    }

    private static void fill(TestDevice device, Tensor x, byte[] values) {
        device.kernels().copyToDevice(MemorySegment.ofArray(values), x);
    }

    private static byte[] bytes(TestDevice device, Tensor x) {
        byte[] values = new byte[(int) x.bytes()];
        device.kernels().copyToHost(x, MemorySegment.ofArray(values));
        return values;
    }
}
