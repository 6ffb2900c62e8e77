// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Fixtures;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Every family against logits and greedy ids recorded from transformers in f32.
class FamilyGoldenTest {
    /// One recorded model of each family.
    static final List<String> FAMILIES =
            List.of(
                    "llama",
                    "llama3-rope",
                    "llama-yarn",
                    "mistral-swa",
                    "qwen2",
                    "qwen3",
                    "phi3",
                    "gpt2",
                    "starcoder2",
                    "gemma2",
                    "gemma3",
                    "olmo2",
                    "granite",
                    "mixtral",
                    "qwen3-moe",
                    "qwen3-next",
                    "gpt-oss",
                    "deepseek-v3");

    /// Correct f32 code differs by at most 7e-6 on these models; omitting any detail moves logits
    /// by 5e-4 or more.
    private static final double TOLERANCE = 1e-4;

    /// Logits divided by 8 differ less: correct code differs by 3e-7.
    private static final double GRANITE_TOLERANCE = 1e-5;

    @TestFactory
    Stream<DynamicTest> logitsAndGreedyIdsMatchTheRecordedOnes() {
        return RankCounts.every(FAMILIES, name -> name, FamilyGoldenTest::requireRecorded);
    }

    @ParameterizedTest
    @CsvSource({
        "llama, 2",
        "gemma2, 1",
        "mixtral, 2",
        "gpt-oss, 2",
        "deepseek-v3, 2",
        "deepseek-v3, 1",
        "qwen3-next, 3"
    })
    void aSequenceHasTheSameBitsAloneInAMixedBatchAndInChunks(String name, int ranks)
            throws Exception {
        requireSameBits(name, ranks);
    }

    /// Each family at one number of ranks; with `-Dlockstep.long=true` at every one.
    @Tag("sweep")
    @TestFactory
    Stream<DynamicTest> aSequenceOfAnyFamilyHasTheSameBits() {
        return RankCounts.inTurns(FAMILIES, name -> name, FamilyGoldenTest::requireSameBits);
    }

    private static void requireRecorded(String name, int ranks) throws Exception {
        try (TestGroup group =
                TestGroup.load(Fixtures.require("models/" + name), ranks, "f32", "f32")) {
            for (Goldens.Case golden : goldens(name).cases()) {
                requireLogits(name, group, golden);
                assertArrayEquals(
                        golden.greedy(), group.greedy(golden.prompt(), golden.greedy().length, 1));
            }
        }
    }

    private static void requireSameBits(String name, int ranks) throws Exception {
        try (TestGroup group =
                TestGroup.load(Fixtures.require("models/" + name), ranks, "f32", "f32")) {
            AnyBatch.requireSameBits(group, goldens(name).prompts());
        }
    }

    static Goldens goldens(String name) {
        return goldens(Fixtures.require("models/" + name));
    }

    /// Requires the recorded logits of a prompt and its first id, computed in one step in the first
    /// blocks.
    static void requireLogits(String name, TestGroup group, Goldens.Case golden) throws Exception {
        int[] blocks = TestGroup.blocks(1, golden.prompt().length);
        float[][] logits = group.forward(List.of(new TestGroup.Row(golden.prompt(), 0, blocks)));
        assertClose(golden.logits(), logits, tolerance(name));
        assertEquals(golden.greedy()[0], TestGroup.argMax(logits[logits.length - 1]));
    }

    static double tolerance(String name) {
        return name.equals("granite") ? GRANITE_TOLERANCE : TOLERANCE;
    }

    static Goldens goldens(Path folder) {
        return Goldens.of(
                Goldens.json(folder.resolve("golden.json")),
                folder.resolve("golden-logits.safetensors"),
                "");
    }

    static void assertClose(float[][] expected, float[][] actual) {
        assertClose(expected, actual, TOLERANCE);
    }

    private static void assertClose(float[][] expected, float[][] actual, double tolerance) {
        double worst = 0;
        for (int t = 0; t < expected.length; t++) {
            for (int i = 0; i < expected[t].length; i++) {
                double difference = Math.abs((double) expected[t][i] - actual[t][i]);
                // A NaN must fail too.
                worst = difference <= worst ? worst : difference;
            }
        }
        assertTrue(worst <= tolerance, "largest difference " + worst);
    }
}
