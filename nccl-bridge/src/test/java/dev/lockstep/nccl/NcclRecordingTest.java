// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Recording;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.cuda.CudaUnderTest;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Collectives in recordings, on two CUDA devices.
@Tag("gpu")
@Tag("ranks")
final class NcclRecordingTest {
    private static final int ROWS = 3;
    private static final int HIDDEN = 64;
    private static final int[] COLUMNS = {5, 2};

    private static void onBothRanks(DType type, CommunicatorContract.RankBody body)
            throws Exception {
        CudaGroup.onEveryRank(2, type, HostGroup.TIMEOUT, body);
    }

    @Test
    void aRecordingRunsItsCollectivesOnTheValuesOfTheMoment() throws Exception {
        for (DType type : new DType[] {DType.F32, DType.BF16}) {
            onBothRanks(
                    type,
                    (communicator, device) -> {
                        var step = new RecordedStep(communicator, device);
                        step.fill(1);
                        step.run();
                        step.require(1);
                        try (Recording recording =
                                device.kernels().record(step::run).orElseThrow()) {
                            step.require(1);
                            for (int round = 2; round < 5; round++) {
                                step.fill(round);
                                recording.launch();
                                step.require(round);
                            }
                            step.fill(7);
                            step.run();
                            step.require(7);
                        }
                    });
        }
    }

    @Test
    void aCollectiveThatWasNeverRunCannotBeRecorded() throws Exception {
        assumeTrue(CudaUnderTest.isEmulated(), "the emulation is stricter than NCCL");
        onBothRanks(
                DType.F32,
                (communicator, device) -> {
                    var step = new RecordedStep(communicator, device);
                    String message =
                            assertThrows(
                                                    CommunicatorAbortedException.class,
                                                    () -> device.kernels().record(step::run))
                                            .getMessage()
                                    + "";
                    assertTrue(
                            message.endsWith("a capture has the first collective of its kind"),
                            message);
                });
    }

    @Test
    void anAbortEndsALaunchThatWaitsAndTheRecordingIsClosedAfterwards() throws Exception {
        onBothRanks(
                DType.F32,
                (communicator, device) -> {
                    Kernels kernels = device.kernels();
                    var step = new RecordedStep(communicator, device);
                    step.fill(1);
                    step.run();
                    try (Recording recording = kernels.record(step::run).orElseThrow()) {
                        communicator.barrier();
                        if (communicator.rank() == 0) {
                            recording.launch();
                            communicator.abort("the epoch ends");
                            kernels.synchronize();
                        } else {
                            communicator.abort("nothing was launched here");
                        }
                        assertThrows(
                                CommunicatorAbortedException.class, communicator::requireRunning);
                        // Nothing in it waits any more.
                        recording.launch();
                        kernels.synchronize();
                    }
                });
        assertEquals(
                0,
                Thread.getAllStackTraces().keySet().stream()
                        .filter(NcclRecordingTest::aborts)
                        .count());
    }

    private static boolean aborts(Thread thread) {
        return thread.getName().startsWith("collective-abort");
    }

    /// What a step records of a group of two ranks: it sums, adds, gathers logits on rank 0, and
    /// broadcasts ids. Values are small whole numbers, whose sums every type has exactly.
    private static final class RecordedStep {
        private final Communicator communicator;
        private final TestDevice device;
        private final int rank;
        private final Tensor x;
        private final Tensor residual;
        private final Tensor part;
        private final Tensor all;
        private final Tensor ids;

        RecordedStep(Communicator communicator, TestDevice device) {
            this.communicator = communicator;
            this.device = device;
            rank = communicator.rank();
            DType type = device.activationType();
            x = communicator.allocate(4L * ROWS * HIDDEN).tensor(0, type, ROWS, HIDDEN);
            residual = device.zeros(ROWS, HIDDEN);
            part =
                    communicator
                            .allocate(4L * ROWS * COLUMNS[0])
                            .tensor(0, DType.F32, ROWS, COLUMNS[rank]);
            all = device.zeros(DType.F32, ROWS, COLUMNS[0] + COLUMNS[1]);
            ids = device.zeros(DType.I32, 1, 4);
        }

        void run() {
            communicator.allReduceSum(x);
            device.kernels().add(residual, x);
            communicator.gather(part, COLUMNS, 0, all);
            communicator.broadcast(ids, 0);
        }

        /// Fills all tensors with values of a round.
        void fill(int round) {
            device.write(x, values(round, rank, ROWS * HIDDEN));
            device.write(residual, values(round, 2, ROWS * HIDDEN));
            device.write(part, values(round, rank, ROWS * COLUMNS[rank]));
            device.write(all, new float[(int) all.elements()]);
            int[] own = rank == 0 ? new int[] {round, 2, 3, 4} : new int[4];
            device.kernels().copyToDevice(MemorySegment.ofArray(own), ids);
        }

        /// Requires the results of a round.
        void require(int round) {
            float[] sum = values(round, 2, ROWS * HIDDEN);
            for (int from = 0; from < 2; from++) {
                float[] theirs = values(round, from, sum.length);
                for (int i = 0; i < sum.length; i++) {
                    sum[i] += theirs[i];
                }
            }
            assertArrayEquals(sum, device.floats(residual));
            assertArrayEquals(new int[] {round, 2, 3, 4}, device.ints(ids));
            float[] gathered = new float[(int) all.elements()];
            for (int from = 0; from < 2 && rank == 0; from++) {
                float[] theirs = values(round, from, ROWS * COLUMNS[from]);
                for (int row = 0; row < ROWS; row++) {
                    System.arraycopy(
                            theirs,
                            row * COLUMNS[from],
                            gathered,
                            row * all.columns() + from * COLUMNS[0],
                            COLUMNS[from]);
                }
            }
            assertArrayEquals(gathered, device.floats(all));
        }

        private static float[] values(int round, int rank, int count) {
            float[] values = new float[count];
            for (int i = 0; i < count; i++) {
                values[i] = (31 * round + 7 * rank + i) % 40;
            }
            return values;
        }
    }
}
