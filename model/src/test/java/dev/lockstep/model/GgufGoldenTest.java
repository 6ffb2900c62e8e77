// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.Fixtures;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// A llama in GGUF files of each type, against logits recorded with f32 activations and dequantized
/// weights.
class GgufGoldenTest {
    /// Bounds on how far 8-bit activations, with a scale per 32 values, move a logit and a
    /// distribution; the measured maxima are 0.11 and 8e-4. bf16 activations move a logit by
    /// 3.4e-2.
    private static final double LARGEST_DIFFERENCE = 0.2;

    private static final double LARGEST_DIVERGENCE = 2e-3;

    /// Below this margin rounding may reverse the order of two logits.
    private static final double SURE_MARGIN = 0.4;

    @ParameterizedTest
    @CsvSource({"F32, 1", "F16, 1", "BF16, 1", "F32, 3", "F16, 2", "BF16, 4"})
    void plainTypesAtF32MatchLogitsAndGreedyIds(String type, int ranks) throws Exception {
        Path file = Fixtures.require("gguf/llama-" + type + ".gguf");
        try (TestGroup group = TestGroup.load(file, ranks, "f32", "f32")) {
            for (Goldens.Case golden : goldens(type).cases()) {
                FamilyGoldenTest.assertClose(golden.logits(), logits(group, golden));
                assertArrayEquals(
                        golden.greedy(), group.greedy(golden.prompt(), golden.greedy().length, 1));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "BF16, 1",
        "BF16, 2",
        "Q4_0, 1",
        "Q4_0, 3",
        "Q4_1, 1",
        "Q4_1, 3",
        "Q5_0, 1",
        "Q5_0, 4",
        "Q5_1, 1",
        "Q5_1, 2",
        "Q8_0, 1",
        "Q8_0, 2",
        "IQ4_NL, 1",
        "IQ4_NL, 3",
        "Q2_K, 1",
        "Q2_K, 3",
        "Q3_K_M, 1",
        "Q3_K_M, 4",
        "Q4_K_M, 1",
        "Q4_K_M, 3",
        "Q5_K_M, 1",
        "Q5_K_M, 2",
        "Q6_K, 1",
        "Q6_K, 3"
    })
    void roundedTypesStayWithinTheBoundsOfTheirRounding(String type, int ranks) throws Exception {
        Path file = Fixtures.require("gguf/llama-" + type + ".gguf");
        try (TestGroup group = TestGroup.load(file, ranks, "auto", "auto")) {
            for (Goldens.Case golden : goldens(type).cases()) {
                assertNear(golden.logits(), logits(group, golden));
            }
        }
        requireReference(type, file, ranks);
    }

    /// Keys and values are f32: those of `auto` are rounded too.
    private static void requireReference(String type, Path file, int ranks) throws Exception {
        var reference = new QuantizedReference(file);
        QuantizedProducts products = reference.products();
        CpuRanks observed = new CpuRanks().viewedBy(products::observed);
        try (TestGroup group = TestGroup.load(file, ranks, "auto", "f32", observed)) {
            for (Goldens.Case golden : goldens(type).cases()) {
                if (ranks == 1) {
                    reference.requireRecorded(golden);
                }
                reference.requireLogits(group, products, golden.prompt(), golden.greedy().length);
            }
        }
    }

    static float[][] logits(TestGroup group, Goldens.Case golden) throws Exception {
        int[] blocks = TestGroup.blocks(1, golden.prompt().length);
        return group.forward(List.of(new TestGroup.Row(golden.prompt(), 0, blocks)));
    }

    static Goldens goldens(String type) {
        JsonNode cases = Goldens.json(Fixtures.require("gguf/golden.json")).get(type).get("cases");
        return Goldens.of(cases, Fixtures.require("gguf/golden-logits.safetensors"), type + ".");
    }

    static void assertNear(float[][] expected, float[][] actual) {
        for (int t = 0; t < actual.length; t++) {
            assertNear(expected[t], actual[t]);
        }
    }

    private static void assertNear(float[] expected, float[] actual) {
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], actual[i], LARGEST_DIFFERENCE);
        }
        assertTrue(divergence(expected, actual) <= LARGEST_DIVERGENCE);
        if (margin(expected) > SURE_MARGIN) {
            assertEquals(TestGroup.argMax(expected), TestGroup.argMax(actual));
        }
    }

    /// Returns the Kullback-Leibler divergence of the second softmax from the first.
    private static double divergence(float[] expected, float[] actual) {
        double[] p = LogSoftmax.of(expected);
        double[] q = LogSoftmax.of(actual);
        double sum = 0;
        for (int i = 0; i < p.length; i++) {
            sum += Math.exp(p[i]) * (p[i] - q[i]);
        }
        return sum;
    }

    private static double margin(float[] logits) {
        float[] sorted = logits.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length - 1] - sorted[sorted.length - 2];
    }
}
