// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Rounding;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// The contract of sums over the ranks.
interface SumContract extends CommunicatorContract {
    List<Integer> COUNTS =
            List.of(1, 7, 576, 4096, 10_922, 10_923, 16_384, 16_385, 100_003, 300_000);
    float EPSILON = 1e-5f;

    @Test
    default void everyRankGetsTheSumOfAnySize() throws Exception {
        for (int size : sizes()) {
            var bits = new RankBits();
            onEveryRank(
                    size,
                    (communicator, device) -> {
                        DeviceBuffer buffer = communicator.allocate(300_000 * 4);
                        for (DType type : CommunicatorContract.types(device)) {
                            for (int count : COUNTS) {
                                Tensor x = buffer.tensor(0, type, 1, count);
                                sum(communicator, device, x, count);
                                requireSum(device, x, count, size);
                                bits.add(communicator.rank(), device.bits(x));
                            }
                        }
                    });
            bits.requireEqualOnAllRanks(size);
        }
    }

    @Test
    default void aRerunGivesTheSameBits() throws Exception {
        for (int size : sizes()) {
            List<Integer> first = bitsOfSums(size);
            assertEquals(first, bitsOfSums(size));
        }
    }

    private List<Integer> bitsOfSums(int size) throws Exception {
        var bits = new RankBits();
        onEveryRank(
                size,
                (communicator, device) -> {
                    DeviceBuffer buffer = communicator.allocate(40_000 * 4);
                    for (DType type : CommunicatorContract.types(device)) {
                        for (int count : new int[] {1, 577, 40_000}) {
                            Tensor x = buffer.tensor(0, type, 1, count);
                            sum(communicator, device, x, count);
                            bits.add(communicator.rank(), device.bits(x));
                        }
                    }
                });
        return bits.requireEqualOnAllRanks(size);
    }

    @Test
    default void sumsOfRandomSizesAndPausesNeverMixTwoRounds() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, device) -> {
                        var same = new Random(size);
                        var own = new Random(communicator.rank());
                        DeviceBuffer buffer = communicator.allocate(200_000);
                        for (int round = 0; round < 200; round++) {
                            int count = 1 + same.nextInt(round % 10 == 0 ? 40_000 : 600);
                            int skipped = same.nextInt(100) * 4;
                            Tensor x = buffer.tensor(skipped, DType.F32, 1, count);
                            if (own.nextInt(20) == 0) {
                                Thread.sleep(0, own.nextInt(500_000));
                            }
                            sum(communicator, device, x, round);
                            requireSum(device, x, round, size);
                        }
                    });
        }
    }

    @Test
    default void aSumOfNothingIsNothing() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, device) -> {
                        DeviceBuffer buffer = communicator.allocate(64);
                        communicator.allReduceSum(buffer.tensor(0, DType.F32, 0, 16));
                        communicator.allReduceSum(buffer.tensor(0, DType.F32, 3, 0));
                        Tensor x = buffer.tensor(0, DType.F32, 1, 16);
                        sum(communicator, device, x, 1);
                        requireSum(device, x, 1, size);
                    });
        }
    }

    private static void sum(Communicator communicator, TestDevice device, Tensor x, long seed) {
        int count = (int) x.elements();
        device.write(x, RankValues.floats(seed, communicator.rank(), count));
        communicator.allReduceSum(x);
    }

    /// Requires `x` to have the sums of [RankValues#floats] over the ranks.
    private void requireSum(TestDevice device, Tensor x, long seed, int size) {
        float[] actual = device.floats(x);
        if (x.type() == DType.F32 && sumsInRankOrder()) {
            assertArrayEquals(RankValues.rankOrderedSum(seed, size, actual.length), actual);
            return;
        }
        double[] sums = new double[actual.length];
        double[] magnitudes = new double[actual.length];
        for (int rank = 0; rank < size; rank++) {
            float[] values = RankValues.floats(seed, rank, actual.length);
            for (int i = 0; i < sums.length; i++) {
                float stored = Rounding.of(values[i], x.type());
                sums[i] += stored;
                magnitudes[i] += Math.abs(stored);
            }
        }
        // Every addition may round to the type of the tensor.
        double unit = tolerances().norms() * size * Rounding.unit(x.type());
        for (int i = 0; i < sums.length; i++) {
            assertEquals(sums[i], actual[i], unit * magnitudes[i], x.type() + " element " + i);
        }
    }

    @Test
    default void theSumWithNormAddsToTheResidualAndNormalisesIt() throws Exception {
        for (int size : sizes()) {
            var bits = new RankBits();
            onEveryRank(
                    size,
                    (communicator, device) -> {
                        SummedNorm norm = SummedNorm.compute(communicator, device, 3, 96);
                        requireResidual(norm, size);
                        requireNormed(norm);
                        bits.add(communicator.rank(), device.bits(norm.residual));
                        bits.add(communicator.rank(), device.bits(norm.out));
                    });
            bits.requireEqualOnAllRanks(size);
        }
    }

    /// The tensors of one sum with norm: `residual` before it as host values, the rest after it.
    record SummedNorm(
            TestDevice device, float[] before, float[] weight, Tensor residual, Tensor out) {

        static SummedNorm compute(
                Communicator communicator, TestDevice device, int rows, int columns) {
            DType type = device.activationType();
            Tensor x =
                    communicator
                            .allocate((long) rows * columns * type.bytes())
                            .tensor(0, type, rows, columns);
            float[] before = device.stored(RankValues.floats(99, 0, rows * columns));
            float[] weight = RankValues.floats(98, 0, columns);
            Tensor residual = device.activations(rows, columns, before);
            Tensor out = device.zeros(rows, columns);
            device.write(x, RankValues.floats(1, communicator.rank(), rows * columns));
            communicator.allReduceAddRmsNorm(
                    x, residual, device.floats(1, columns, weight), EPSILON, out);
            return new SummedNorm(device, before, weight, residual, out);
        }
    }

    private void requireResidual(SummedNorm norm, int size) {
        DType type = norm.residual.type();
        float[] residual = norm.device.floats(norm.residual);
        float[] ordered = RankValues.rankOrderedSum(1, size, residual.length);
        for (int i = 0; i < residual.length; i++) {
            if (type == DType.F32 && sumsInRankOrder()) {
                assertEquals(norm.before[i] + ordered[i], residual[i]);
                continue;
            }
            double sum = norm.before[i];
            double magnitude = Math.abs(sum);
            for (int rank = 0; rank < size; rank++) {
                float value = RankValues.floats(1, rank, residual.length)[i];
                sum += Rounding.of(value, type);
                magnitude += Math.abs(Rounding.of(value, type));
            }
            double bound = tolerances().norms() * (size + 1) * Rounding.unit(type) * magnitude;
            assertEquals(sum, residual[i], bound, "residual " + i);
        }
    }

    private void requireNormed(SummedNorm norm) {
        DType type = norm.out.type();
        float[] residual = norm.device.floats(norm.residual);
        float[] out = norm.device.floats(norm.out);
        int columns = norm.weight.length;
        for (int row = 0; row < out.length / columns; row++) {
            double squares = 0;
            for (int i = 0; i < columns; i++) {
                squares += Math.pow(residual[row * columns + i], 2);
            }
            for (int i = 0; i < columns; i++) {
                int at = row * columns + i;
                double expected =
                        residual[at] / Math.sqrt(squares / columns + EPSILON) * norm.weight[i];
                // A few roundings of an fp32 norm, and of the residual that it read.
                double bound = tolerances().norms() * 1e-5 * Math.abs(expected) + 1e-12;
                double read = type == DType.F32 ? 0 : Rounding.unit(type) * Math.abs(expected);
                Rounding.requireClose(expected, out[at], bound + 2 * read, type);
            }
        }
    }
}
