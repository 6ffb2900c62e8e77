// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.RowOrder;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.model.StoredRows;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class MatrixQuantizerTest {
    private static final int COLUMNS = 512;
    private static final int ROWS = 24;

    /// The bounds are a third above what this and other implementations of these types reach on
    /// normally distributed weights.
    @ParameterizedTest
    @CsvSource({
        "Q8_0, 0.006",
        "Q6_K, 0.022",
        "Q5_K, 0.040",
        "Q5_1, 0.040",
        "Q5_0, 0.045",
        "Q4_K, 0.080",
        "Q4_1, 0.080",
        "Q4_0, 0.090",
        "Q3_K, 0.170",
        "Q2_K, 0.330"
    })
    void storedWeightsAreNear(TensorType type, double bound) {
        float[] weights = normal(1, ROWS * COLUMNS);
        byte[] stored = quantizer(type, Optional.empty()).quantize(weights, COLUMNS);
        float[] read = read(type, stored);
        assertTrue(relative(weights, read) < bound, () -> type + ": " + relative(weights, read));
    }

    /// Weights that lie on a grid of the type are stored without an error.
    @ParameterizedTest
    @EnumSource(names = {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"})
    void whatTheTypeCanHoldIsKept(TensorType type) {
        float[] weights = normal(2, ROWS * COLUMNS);
        byte[] stored = quantizer(type, Optional.empty()).quantize(weights, COLUMNS);
        float[] once = read(type, stored);
        byte[] again = quantizer(type, Optional.empty()).quantize(once, COLUMNS);
        assertTrue(relative(once, read(type, again)) < 1e-3);
    }

    @ParameterizedTest
    @EnumSource(
            names = {
                "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"
            })
    void readersSeeTheChosenValues(TensorType type) {
        BlockFormat format = BlockFormat.of(type);
        float[] row = normal(3, type.blockSize());
        float[] ones = new float[row.length];
        Arrays.fill(ones, 1);
        QuantizedBlock block = format.fit(row, 0, ones);
        float[] chosen = new float[row.length];
        for (int c = 0; c < row.length; c++) {
            chosen[c] = block.choose(c, row[c]);
        }
        byte[] bytes = new byte[type.blockBytes()];
        format.write(block, ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN));
        float[] read = read(type, bytes, 1, row.length);
        for (int c = 0; c < row.length; c++) {
            assertEquals(chosen[c], read[c], 1e-6f * Math.abs(chosen[c]) + 1e-9f, "column " + c);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"Q4_0", "Q4_1", "Q2_K", "Q3_K", "Q4_K", "Q6_K"})
    void zerosAndExtremesAreStored(TensorType type) {
        float[] weights = new float[2 * COLUMNS];
        weights[COLUMNS + 7] = 3;
        weights[COLUMNS + 300] = -5;
        float[] read =
                read(
                        type,
                        quantizer(type, Optional.empty()).quantize(weights, COLUMNS),
                        2,
                        COLUMNS);
        for (int c = 0; c < COLUMNS; c++) {
            assertEquals(0, read[c], "column " + c);
        }
        assertEquals(3, read[COLUMNS + 7], 0.5);
        assertEquals(-5, read[COLUMNS + 300], 0.5);
    }

    /// With inputs of a few directions, weights can make up for each other's errors.
    @ParameterizedTest
    @EnumSource(names = {"Q4_0", "Q4_K", "Q2_K"})
    void feedbackReducesTheErrorOfOutputs(TensorType type) {
        float[] weights = normal(4, ROWS * COLUMNS);
        float[] inputs = correlated(5, 1024);
        var products = new InputProducts(COLUMNS);
        products.add(inputs);
        float[] plain = read(type, quantizer(type, Optional.empty()).quantize(weights, COLUMNS));
        float[] fed =
                read(
                        type,
                        quantizer(type, Optional.of(ErrorFeedback.of(products)))
                                .quantize(weights, COLUMNS));
        float[] others = correlated(6, 256);
        double before = outputError(weights, plain, others);
        double after = outputError(weights, fed, others);
        assertTrue(after < 0.7 * before, () -> type + ": " + after + " after " + before);
    }

    /// Factors that are powers of two leave every sum exact.
    @Test
    void feedbackForDividedInputsIsThatOfTheirProducts() {
        float[] weights = normal(9, ROWS * COLUMNS);
        float[] inputs = correlated(10, 256);
        var products = new InputProducts(COLUMNS);
        products.add(inputs);
        float[] factors = new float[COLUMNS];
        for (int c = 0; c < COLUMNS; c++) {
            factors[c] = Math.scalb(1f, c % 5 - 2);
        }
        float[] divided = inputs.clone();
        for (int i = 0; i < divided.length; i++) {
            divided[i] /= factors[i % COLUMNS];
        }
        var ofDivided = new InputProducts(COLUMNS);
        ofDivided.add(divided);
        byte[] expected =
                quantizer(TensorType.Q4_0, Optional.of(ErrorFeedback.of(ofDivided)))
                        .quantize(weights, COLUMNS);
        byte[] actual =
                quantizer(TensorType.Q4_0, Optional.of(ErrorFeedback.of(products, factors)))
                        .quantize(weights, COLUMNS);
        assertArrayEquals(expected, actual);
        byte[] other =
                quantizer(TensorType.Q4_0, Optional.of(ErrorFeedback.of(products)))
                        .quantize(weights, COLUMNS);
        assertFalse(Arrays.equals(expected, other));
    }

    @Test
    void productsAreThoseOfAllInputs() {
        int columns = 37;
        float[] inputs = normal(7, 21 * columns);
        var products = new InputProducts(columns);
        products.add(Arrays.copyOf(inputs, 13 * columns));
        products.add(Arrays.copyOfRange(inputs, 13 * columns, inputs.length));
        assertEquals(21, products.inputs());
        for (int i = 0; i < columns; i++) {
            for (int j = 0; j < columns; j++) {
                double sum = 0;
                for (int t = 0; t < 21; t++) {
                    sum += (double) inputs[t * columns + i] * inputs[t * columns + j];
                }
                assertEquals(sum, products.at(i, j), 1e-4, i + ", " + j);
            }
        }
    }

    /// H⁻¹ = UᵀU: what `pass` and `importance` use is compared with the inverse itself.
    @Test
    void feedbackIsTheFactorOfTheInverse() {
        int columns = 40;
        var products = new InputProducts(columns);
        products.add(normal(8, 200 * columns));
        ErrorFeedback feedback = ErrorFeedback.of(products);
        double mean = 0;
        for (int i = 0; i < columns; i++) {
            mean += products.at(i, i) / columns;
        }
        // U's row j, scaled by 1 / U[j][j], is what an error of 1 in column j takes away.
        double[][] upper = new double[columns][columns];
        for (int j = 0; j < columns; j++) {
            float[] row = new float[columns];
            feedback.pass(row, j, 1);
            double diagonal = 1 / Math.sqrt(feedback.importance()[j]);
            for (int k = j; k < columns; k++) {
                upper[j][k] = k == j ? diagonal : -row[k] * diagonal;
            }
        }
        for (int i = 0; i < columns; i++) {
            for (int j = 0; j < columns; j++) {
                double sum = 0;
                for (int k = 0; k < columns; k++) {
                    double h = products.at(k, j) + (k == j ? 0.01 * mean : 0);
                    double inverse = 0;
                    for (int m = 0; m < columns; m++) {
                        inverse += upper[m][i] * upper[m][k];
                    }
                    sum += inverse * h;
                }
                assertEquals(i == j ? 1 : 0, sum, 1e-3, i + ", " + j);
            }
        }
    }

    @Test
    void rowsThatAreNoWholeBlocksAreRefused() {
        assertEquals(
                "rows of 96 values are not whole blocks of 256",
                assertThrows(
                                IllegalArgumentException.class,
                                () ->
                                        quantizer(TensorType.Q4_K, Optional.empty())
                                                .quantize(new float[96], 96))
                        .getMessage());
    }

    @Test
    void everyRowHasTheSameBytesAlone() {
        float[] weights = normal(9, 3 * COLUMNS);
        MatrixQuantizer quantizer = quantizer(TensorType.Q4_K, Optional.empty());
        byte[] all = quantizer.quantize(weights, COLUMNS);
        int rowBytes = all.length / 3;
        byte[] second =
                quantizer.quantize(Arrays.copyOfRange(weights, COLUMNS, 2 * COLUMNS), COLUMNS);
        assertArrayEquals(Arrays.copyOfRange(all, rowBytes, 2 * rowBytes), second);
    }

    private static MatrixQuantizer quantizer(TensorType type, Optional<ErrorFeedback> feedback) {
        return new MatrixQuantizer(BlockFormat.of(type), feedback);
    }

    private static float[] read(TensorType type, byte[] stored) {
        return read(type, stored, ROWS, COLUMNS);
    }

    private static float[] read(TensorType type, byte[] stored, int rows, int columns) {
        try (CpuKernels kernels = CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning())) {
            return new StoredRows(kernels)
                    .read(
                            new WeightMatrix(
                                    "w",
                                    type,
                                    rows,
                                    columns,
                                    new RowOrder.AsIs(),
                                    MemorySegment.ofArray(stored)),
                            IntStream.range(0, rows).toArray());
        }
    }

    private static float[] normal(long seed, int count) {
        var random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (0.1 * random.nextGaussian());
        }
        return values;
    }

    /// Returns inputs of which 64 directions make up most.
    private static float[] correlated(long seed, int count) {
        var random = new Random(seed);
        float[] directions = normal(99, 64 * COLUMNS);
        float[] inputs = new float[count * COLUMNS];
        for (int i = 0; i < count; i++) {
            for (int d = 0; d < 64; d++) {
                float share = (float) random.nextGaussian();
                for (int c = 0; c < COLUMNS; c++) {
                    inputs[i * COLUMNS + c] += share * directions[d * COLUMNS + c];
                }
            }
            for (int c = 0; c < COLUMNS; c++) {
                inputs[i * COLUMNS + c] += (float) (0.05 * random.nextGaussian());
            }
        }
        return inputs;
    }

    private static double relative(float[] expected, float[] actual) {
        double errors = 0;
        double squares = 0;
        for (int i = 0; i < expected.length; i++) {
            errors += Math.pow(expected[i] - actual[i], 2);
            squares += Math.pow(expected[i], 2);
        }
        return Math.sqrt(errors / squares);
    }

    private static double outputError(float[] weights, float[] quantized, float[] inputs) {
        double errors = 0;
        for (int i = 0; i < inputs.length / COLUMNS; i++) {
            for (int row = 0; row < ROWS; row++) {
                double sum = 0;
                for (int c = 0; c < COLUMNS; c++) {
                    int at = row * COLUMNS + c;
                    sum += (weights[at] - quantized[at]) * (double) inputs[i * COLUMNS + c];
                }
                errors += sum * sum;
            }
        }
        return errors;
    }
}
