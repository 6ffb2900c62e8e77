// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.cuda.CudaLibrary;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import java.util.Arrays;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// How many messages a gather sends; the contract of copies has what it computes.
@Tag("processes")
final class NcclGatherTest {
    private static final int ROWS = 9;

    @Test
    void aPeerSendsItsRowsInOneMessage() throws Exception {
        assertEquals(1, messages(new int[] {5, 2}));
        assertEquals(0, messages(new int[] {5, 0}));
    }

    @Test
    void rowsThatAreTooManyForTheMemoryOfTheRootTravelInPieces() throws Exception {
        int[] columns = {200_000, 300_000};
        assertEquals(4, NcclGather.rowsTogether(500_000));
        assertEquals(3, messages(columns));
    }

    @Test
    void aRowThatNoMemoryHoldsIsRefused() {
        assertEquals(1, NcclGather.rowsTogether(NcclGather.MAX_BYTES / 4));
        assertEquals(
                "columns are 2097153 together, at most 2097152 can be gathered",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> NcclGather.rowsTogether(NcclGather.MAX_BYTES / 4 + 1))
                        .getMessage());
    }

    /// Gathers rows of two ranks on rank 0, which has no part of its own before the first columns,
    /// and returns the messages.
    private static long messages(int[] columns) throws Exception {
        long before = EmulatedCuda.calls(CudaLibrary.NCCL, "ncclSend");
        int total = Arrays.stream(columns).sum();
        CudaGroup.onEveryRank(
                2,
                DType.F32,
                HostGroup.TIMEOUT,
                (communicator, device) -> {
                    int rank = communicator.rank();
                    float[] values = new float[ROWS * columns[rank]];
                    for (int i = 0; i < values.length; i++) {
                        values[i] = value(rank, i / columns[rank], i % columns[rank]);
                    }
                    Tensor part =
                            communicator
                                    .allocate(4L * values.length)
                                    .tensor(0, DType.F32, ROWS, columns[rank]);
                    device.write(part, values);
                    Tensor out = device.zeros(DType.F32, ROWS, total);
                    communicator.gather(part, columns, 0, out);
                    float[] expected = new float[ROWS * total];
                    for (int i = 0; i < expected.length && rank == 0; i++) {
                        int column = i % total;
                        expected[i] =
                                column < columns[0]
                                        ? value(0, i / total, column)
                                        : value(1, i / total, column - columns[0]);
                    }
                    assertArrayEquals(expected, device.floats(out));
                });
        return EmulatedCuda.calls(CudaLibrary.NCCL, "ncclSend") - before;
    }

    private static float value(int rank, int row, int column) {
        return (31 * row + 7 * rank + column) % 1009;
    }
}
