// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static dev.lockstep.kernels.ExpertRun.COLUMNS;
import static dev.lockstep.kernels.ExpertRun.EXPERTS;
import static dev.lockstep.kernels.ExpertRun.HIDDEN;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/// The contract of a mixture of experts.
public interface ExpertContract extends KernelsContract {

    @ParameterizedTest
    @CsvSource({
        "F32, F32, F32", "F16, F16, F32", "BF16, BF16, F32", "BF16, BF16, BF16",
        "Q8_0, Q8_0, F32", "Q4_0, Q4_0, F32", "Q4_1, Q5_1, F32", "IQ4_NL, Q5_0, F32",
        "Q4_K, Q6_K, F32", "Q2_K, Q3_K, F32", "Q5_K, F16, BF16", "F32, Q8_0, F32"
    })
    default void outputsAreTheWeightedSumsOfTheChosenExperts(
            TensorType gateUp, TensorType down, DType compute) {
        try (TestDevice device = device()) {
            check(device, experts(gateUp, down, compute), 20, 1);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"SILU", "GELU_TANH"})
    default void anyNumberOfExpertsIsChosen(Activation activation) {
        ExpertRun run = experts(TensorType.F32, TensorType.F32, DType.F32);
        for (int perToken : new int[] {1, 2, EXPERTS}) {
            for (boolean renormalized : new boolean[] {true, false}) {
                try (TestDevice device = device()) {
                    check(device, run.choosing(activation, perToken, renormalized), 9, perToken);
                }
            }
        }
    }

    @Test
    default void expertsAreChosenByScoreCorrectionAndGroup() {
        ExpertRun run = experts(TensorType.F32, TensorType.F32, DType.F32);
        List<Float> correction = List.of(0.5f, -0.25f, 0.75f, 0f, 1f, -0.5f);
        for (ExpertRouting.Score score : ExpertRouting.Score.values()) {
            for (ExpertRouting.GroupRank rank : ExpertRouting.GroupRank.values()) {
                for (int groups : new int[] {1, 2, 3}) {
                    for (boolean renormalized : new boolean[] {true, false}) {
                        var routing =
                                new ExpertRouting(
                                        2,
                                        score,
                                        renormalized,
                                        2.5f,
                                        Optional.empty(),
                                        groups,
                                        Math.min(groups, 2),
                                        rank);
                        var choice =
                                new ExpertRun.Choice(
                                        routing, renormalized ? correction : List.of(), false);
                        try (TestDevice device = device()) {
                            check(device, run.choosing(Activation.SILU, choice), 40, groups);
                        }
                    }
                }
            }
        }
    }

    @Test
    default void factorsMultiplyTheWeightsOfSingleExperts() {
        ExpertRun run = experts(TensorType.F32, TensorType.F32, DType.F32);
        List<Float> factors = List.of(0.5f, 1.25f, 2f, 1f, 0.75f, 1.5f);
        for (boolean renormalized : new boolean[] {true, false}) {
            var choice =
                    new ExpertRun.Choice(
                            ExpertRouting.softmax(3, renormalized), List.of(), false, factors);
            try (TestDevice device = device()) {
                check(device, run.choosing(Activation.GELU_TANH, choice), 20, 5);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"SILU", "CLAMPED_SWIGLU"})
    default void biasesAreAddedToEachProduct(Activation activation) {
        ExpertRun run = experts(TensorType.F32, TensorType.F32, DType.F32);
        var choice = new ExpertRun.Choice(ExpertRouting.softmax(2, true), List.of(), true);
        for (int tokens : new int[] {1, 20}) {
            try (TestDevice device = device()) {
                check(device, run.choosing(activation, choice), tokens, tokens);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"false, false", "false, true", "true, true"})
    default void expertsWithoutAGateAndOfWeightedInputsAreComputed(
            boolean gated, boolean weighsInputs) {
        for (TensorType type : new TensorType[] {TensorType.F32, TensorType.BF16}) {
            DType preferred = type == TensorType.BF16 ? DType.BF16 : DType.F32;
            for (boolean biases : new boolean[] {true, false}) {
                var choice =
                        new ExpertRun.Choice(ExpertRouting.softmax(2, false), List.of(), biases);
                ExpertRun run =
                        experts(type, type, preferred)
                                .choosing(gated ? Activation.SILU : Activation.RELU_SQUARED, choice)
                                .of(new ExpertRun.Form(gated, weighsInputs));
                for (int tokens : new int[] {1, 20}) {
                    try (TestDevice device = device()) {
                        check(device, run, tokens, tokens);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"false, false", "false, true", "true, true"})
    default void shardsOfOtherExpertsAddUpAndATokenHasTheSameBitsInAnyBatch(
            boolean gated, boolean weighsInputs) {
        ExpertRun run =
                experts(TensorType.F32, TensorType.F32, DType.F32)
                        .of(new ExpertRun.Form(gated, weighsInputs));
        try (TestDevice device = device()) {
            float[] x = device.stored(TestValues.normal(new Random(8), 9 * HIDDEN));
            float[] logits = TestValues.normal(new Random(9), 9 * EXPERTS);
            double[][] expected = run.expected(x, logits);
            int[] all = device.bits(run.run(device, x, logits));
            double bound = bound(run, expected, device);
            for (int t = 0; t < 9; t++) {
                requireSameInAnyBatch(
                        Arrays.copyOfRange(all, t * HIDDEN, (t + 1) * HIDDEN),
                        device.bits(
                                run.run(
                                        device,
                                        Arrays.copyOfRange(x, t * HIDDEN, (t + 1) * HIDDEN),
                                        Arrays.copyOfRange(
                                                logits, t * EXPERTS, (t + 1) * EXPERTS))),
                        bound,
                        device.activationType(),
                        "token " + t);
            }
            float[] sum = new float[9 * HIDDEN];
            for (int[] cut : new int[][] {{0, 32}, {32, 32}, {32, COLUMNS}}) {
                Tensor out = device.zeros(9, HIDDEN);
                ExpertLayer layer = run.layer(device.kernels(), cut[0], cut[1]);
                ExpertRun.run(device, device.kernels().prepareExperts(layer), x, logits, out);
                float[] part = device.floats(out);
                for (int i = 0; i < sum.length; i++) {
                    sum[i] += part[i];
                }
            }
            requireClose(run, expected, sum, device);
        }
    }

    @Test
    default void aTokenWithANanGetsNaNsFromScoresOfItsOwnExpertsToo() {
        ExpertRun run = experts(TensorType.F32, TensorType.F32, DType.F32);
        var routing =
                new ExpertRouting(
                        2,
                        ExpertRouting.Score.SIGMOID,
                        true,
                        1,
                        Optional.empty(),
                        3,
                        1,
                        ExpertRouting.GroupRank.BEST_TWO);
        ExpertRun grouped =
                run.choosing(Activation.SILU, new ExpertRun.Choice(routing, List.of(), false));
        try (TestDevice device = device()) {
            float[] x = device.stored(TestValues.normal(new Random(4), 2 * HIDDEN));
            float[] logits = TestValues.normal(new Random(5), 2 * EXPERTS);
            double[][] expected = grouped.expected(x, logits);
            logits[3] = Float.NaN;
            float[] actual = device.floats(grouped.run(device, x, logits));
            for (int h = 0; h < HIDDEN; h++) {
                assertTrue(Float.isNaN(actual[h]));
            }
            requireClose(
                    grouped,
                    new double[][] {expected[1]},
                    Arrays.copyOfRange(actual, HIDDEN, 2 * HIDDEN),
                    device);
        }
    }

    @Test
    default void oneTokenAndManyTokensAreComputed() {
        ExpertRun run = experts(TensorType.F32, TensorType.F32, DType.F32);
        for (int tokens : new int[] {1, 2, 150}) {
            try (TestDevice device = device()) {
                check(device, run, tokens, tokens);
            }
        }
    }

    @Test
    default void tiedExpertsAreChosenInAscendingOrder() {
        ExpertRun run = experts(TensorType.F32, TensorType.F32, DType.F32);
        try (TestDevice device = device()) {
            float[] x = device.stored(TestValues.normal(new Random(3), 3 * HIDDEN));
            float[] logits = new float[3 * EXPERTS];
            // All tie; the second and third place tie; all but the first are impossible.
            logits[EXPERTS + 5] = 1;
            Arrays.fill(logits, 2 * EXPERTS + 1, 3 * EXPERTS, Float.NEGATIVE_INFINITY);
            Tensor out = run.run(device, x, logits);
            requireClose(run, run.expected(x, logits), device.floats(out), device);
        }
    }

    @Test
    default void aTokenWithANanGetsNaNsAndChangesNoOtherToken() {
        ExpertRun run = experts(TensorType.F32, TensorType.F32, DType.F32);
        try (TestDevice device = device()) {
            float[] x = device.stored(TestValues.normal(new Random(4), 5 * HIDDEN));
            float[] logits = TestValues.normal(new Random(5), 5 * EXPERTS);
            double[][] expected = run.expected(x, logits);
            logits[EXPERTS + 2] = Float.NaN;
            logits[3 * EXPERTS + 5] = Float.POSITIVE_INFINITY;
            float[] actual = device.floats(run.run(device, x, logits));
            for (int t = 0; t < 5; t++) {
                float[] row = Arrays.copyOfRange(actual, t * HIDDEN, (t + 1) * HIDDEN);
                if (t == 1 || t == 3) {
                    for (float value : row) {
                        assertTrue(Float.isNaN(value), "token " + t + " has " + value);
                    }
                } else {
                    requireClose(run, new double[][] {expected[t]}, row, device);
                }
            }
        }
    }

    @Test
    default void anExpertWithoutTokensContributesNothing() {
        ExpertRun plain = experts(TensorType.F32, TensorType.F32, DType.F32);
        try (TestDevice device = device()) {
            float[] x = device.stored(TestValues.normal(new Random(6), 4 * HIDDEN));
            float[] logits = TestValues.normal(new Random(7), 4 * EXPERTS);
            for (int t = 0; t < 4; t++) {
                logits[t * EXPERTS + 4] = -100;
            }
            StoredMatrix nan = plain.down().get(4);
            nan.data().fill((byte) 0xFF);
            float[] actual = device.floats(plain.run(device, x, logits));
            requireClose(plain, plain.expected(x, logits), actual, device);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "Q8_0", "Q4_K"})
    default void aTokenHasTheSameBitsInAnyBatch(TensorType type) {
        DType compute = type == TensorType.BF16 ? DType.BF16 : DType.F32;
        ExpertRun run = experts(type, type, compute);
        int tokens = 9;
        float[] x = TestValues.normal(new Random(8), tokens * HIDDEN);
        float[] logits = TestValues.normal(new Random(9), tokens * EXPERTS);
        for (int threads = 1; threads <= 3; threads++) {
            try (var device = new TestDevice(open(threads))) {
                int[] all = device.bits(run.run(device, x, logits));
                assertArrayEquals(all, device.bits(run.run(device, x, logits)), "a rerun");
                double bound = bound(run, run.expected(device.stored(x), logits), device);
                for (int t = 0; t < tokens; t++) {
                    float[] ownX = Arrays.copyOfRange(x, t * HIDDEN, (t + 1) * HIDDEN);
                    float[] own = Arrays.copyOfRange(logits, t * EXPERTS, (t + 1) * EXPERTS);
                    requireSameInAnyBatch(
                            Arrays.copyOfRange(all, t * HIDDEN, (t + 1) * HIDDEN),
                            device.bits(run.run(device, ownX, own)),
                            bound,
                            device.activationType(),
                            "token " + t);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "Q8_0", "Q6_K"})
    default void shardsAddUpToTheWhole(TensorType type) {
        ExpertRun run = experts(type, type, DType.F32);
        try (TestDevice device = device()) {
            float[] x = device.stored(TestValues.normal(new Random(10), 6 * HIDDEN));
            float[] logits = TestValues.normal(new Random(11), 6 * EXPERTS);
            float[] sum = new float[6 * HIDDEN];
            for (int[] cut : new int[][] {{0, 32}, {32, 32}, {32, COLUMNS}}) {
                ExpertLayer layer = run.layer(device.kernels(), cut[0], cut[1]);
                Tensor out = device.zeros(6, HIDDEN);
                ExpertSet set = device.kernels().prepareExperts(layer);
                ExpertRun.run(device, set, x, logits, out);
                float[] part = device.floats(out);
                for (int i = 0; i < sum.length; i++) {
                    sum[i] += part[i];
                }
            }
            requireClose(run, run.expected(x, logits), sum, device);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "Q4_K"})
    default void anEmptyShardGivesZeros(TensorType type) {
        try (TestDevice device = device()) {
            ExpertLayer layer =
                    experts(type, type, DType.F32).layer(device.kernels(), COLUMNS, COLUMNS);
            float[] ones = new float[2 * HIDDEN];
            Arrays.fill(ones, 1);
            Tensor out = device.activations(2, HIDDEN, ones);
            ExpertSet set = device.kernels().prepareExperts(layer);
            ExpertRun.run(device, set, ones, new float[2 * EXPERTS], out);
            assertArrayEquals(new float[2 * HIDDEN], device.floats(out));
        }
    }

    /// A copy would take twice the memory while a model loads.
    @ParameterizedTest
    @EnumSource(names = {"F32", "Q4_K"})
    default void preparingCopiesNoWeights(TensorType type) {
        try (TestDevice device = device()) {
            ExpertLayer layer = experts(type, type, DType.F32).layer(device.kernels());
            long weights =
                    layer.experts().stream()
                            .mapToLong(each -> each.gateUp().bytes() + each.down().bytes())
                            .sum();
            long before = device.kernels().allocatedBytes();
            device.kernels().prepareExperts(layer);
            long added = device.kernels().allocatedBytes() - before;
            assertTrue(added < weights / 4, "%d bytes for %d".formatted(added, weights));
        }
    }

    @Test
    default void onlyTheOutputIsOverwritten() {
        ExpertRun run = experts(TensorType.F32, TensorType.F32, DType.F32);
        try (TestDevice device = device()) {
            float[] x = device.stored(TestValues.normal(new Random(12), 3 * HIDDEN));
            float[] logits = TestValues.normal(new Random(13), 3 * EXPERTS);
            float[] before = new float[5 * (HIDDEN + 16)];
            Arrays.fill(before, 42);
            Tensor wide = device.activations(5, HIDDEN + 16, before);
            Tensor out = wide.rows(1, 4).columns(8, 8 + HIDDEN);
            ExpertSet set = device.kernels().prepareExperts(run.layer(device.kernels()));
            ExpertRun.run(device, set, x, logits, out);
            requireClose(run, run.expected(x, logits), device.floats(out), device);
            device.kernels().clear(out);
            float[] after = device.floats(wide);
            for (int i = 0; i < after.length; i++) {
                int row = i / (HIDDEN + 16);
                int column = i % (HIDDEN + 16);
                boolean inside = row >= 1 && row < 4 && column >= 8 && column < 8 + HIDDEN;
                assertEquals(inside ? 0 : 42, after[i], "row %d, column %d".formatted(row, column));
            }
        }
    }

    @Test
    default void aStepWithoutTokensIsAccepted() {
        try (TestDevice device = device()) {
            ExpertRun run = experts(TensorType.F32, TensorType.F32, DType.F32);
            run.run(device, new float[0], new float[0]);
            device.kernels().synchronize();
        }
    }

    @Test
    default void whatDoesNotFitIsRefusedByName() {
        ExpertRun run = experts(TensorType.F32, TensorType.F32, DType.F32);
        try (TestDevice device = device();
                TestDevice other = device()) {
            Kernels kernels = device.kernels();
            ExpertLayer layer = run.layer(kernels);
            refused(
                    "7 experts a token of 6",
                    () -> new ExpertLayer(layer.experts(), Activation.SILU, 7, true));
            refused(
                    "0 experts a token of 6",
                    () -> new ExpertLayer(layer.experts(), Activation.SILU, 0, true));
            ExpertWeights half = run.layer(kernels, 0, 32).experts().getFirst();
            refused(
                    "expert 1 has 32 columns for a hidden size of 64, expert 0 96 for 64",
                    () ->
                            new ExpertLayer(
                                    List.of(layer.experts().getFirst(), half),
                                    Activation.SILU,
                                    1,
                                    true));
            refused(
                    "6 experts in 4 groups",
                    () ->
                            new ExpertLayer(
                                    layer.experts(),
                                    Activation.SILU,
                                    new ExpertRouting(
                                            2,
                                            ExpertRouting.Score.SIGMOID,
                                            true,
                                            1,
                                            Optional.empty(),
                                            4,
                                            1,
                                            ExpertRouting.GroupRank.BEST)));
            refused(
                    "3 experts a token of 1 groups out of 3 with 2 experts each",
                    () ->
                            new ExpertLayer(
                                    layer.experts(),
                                    Activation.SILU,
                                    new ExpertRouting(
                                            3,
                                            ExpertRouting.Score.SIGMOID,
                                            true,
                                            1,
                                            Optional.empty(),
                                            3,
                                            1,
                                            ExpertRouting.GroupRank.BEST)));
            refused(
                    "gate and up are [192, 64], down [64, 32] needs [64, 64]",
                    () -> new ExpertWeights(layer.experts().getFirst().gateUp(), half.down()));
            ExpertSet set = kernels.prepareExperts(layer);
            ExpertScratch scratch = ExpertRun.scratch(device, 2, COLUMNS);
            Tensor x = device.zeros(3, HIDDEN);
            Tensor logits = device.zeros(DType.F32, 3, EXPERTS);
            Tensor out = device.zeros(3, HIDDEN);
            refused(
                    "scratch memory of 2 rows for 3 tokens of 3 experts each",
                    () -> kernels.experts(set, x, logits, scratch, out));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> kernels.experts(set, x, logits.columns(0, 5), scratch, out));
            refused(
                    "the experts were prepared by other kernels",
                    () ->
                            other.kernels()
                                    .experts(set, x, logits, ExpertRun.scratch(other, 3, 96), out));
        }
    }

    /// Returns experts that compute in `preferred`, or else in a type that the implementation has.
    private ExpertRun experts(TensorType gateUp, TensorType down, DType preferred) {
        DType compute = computeTypes().contains(preferred) ? preferred : computeTypes().getFirst();
        return ExpertRun.of(gateUp, down, compute);
    }

    private static void refused(String message, Runnable op) {
        IllegalArgumentException refused = assertThrows(IllegalArgumentException.class, op::run);
        assertEquals(message, refused.getMessage());
    }

    private void check(TestDevice device, ExpertRun run, int tokens, int seed) {
        float[] x = device.stored(TestValues.normal(new Random(seed), tokens * HIDDEN));
        float[] logits = TestValues.normal(new Random(seed + 100), tokens * EXPERTS);
        requireClose(
                run, run.expected(x, logits), device.floats(run.run(device, x, logits)), device);
    }

    private void requireClose(
            ExpertRun run, double[][] expected, float[] actual, TestDevice device) {
        double allowed =
                tolerances().experts() * run.bound(device.activationType(), quantizesActivations());
        for (int t = 0; t < expected.length; t++) {
            double errors = 0;
            for (int h = 0; h < HIDDEN; h++) {
                double error = actual[t * HIDDEN + h] - expected[t][h];
                errors += error * error;
            }
            double relative = Math.sqrt(errors / HIDDEN) / rootMeanSquare(expected[t]);
            // Not a number is not below the bound.
            assertTrue(
                    relative <= allowed,
                    "token %d: error %g, allowed %g".formatted(t, relative, allowed));
        }
    }

    /// Returns how far an element may be from the exact one: a rare error is five times the root
    /// mean square.
    private double bound(ExpertRun run, double[][] expected, TestDevice device) {
        double largest =
                Arrays.stream(expected).mapToDouble(ExpertContract::rootMeanSquare).max().orElse(0);
        return 5
                * tolerances().experts()
                * run.bound(device.activationType(), quantizesActivations())
                * largest;
    }

    private static double rootMeanSquare(double[] values) {
        return Math.sqrt(Arrays.stream(values).map(v -> v * v).sum() / values.length);
    }
}
