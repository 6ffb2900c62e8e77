// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Fixtures;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
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

    @ParameterizedTest
    @CsvSource({
        "llama, 1",
        "llama, 2",
        "llama, 3",
        "llama, 4",
        "llama3-rope, 1",
        "llama3-rope, 2",
        "llama-yarn, 1",
        "llama-yarn, 3",
        "mistral-swa, 1",
        "mistral-swa, 2",
        "mistral-swa, 3",
        "qwen2, 1",
        "qwen2, 2",
        "qwen2, 3",
        "qwen3, 1",
        "qwen3, 2",
        "qwen3, 4",
        "phi3, 1",
        "phi3, 2",
        "phi3, 3",
        "gpt2, 1",
        "gpt2, 2",
        "gpt2, 3",
        "gpt2, 4",
        "starcoder2, 1",
        "starcoder2, 2",
        "starcoder2, 3",
        "gemma2, 1",
        "gemma2, 2",
        "gemma2, 3",
        "gemma3, 1",
        "gemma3, 2",
        "gemma3, 4",
        "olmo2, 1",
        "olmo2, 2",
        "olmo2, 3",
        "olmo2, 4",
        "granite, 1",
        "granite, 2",
        "granite, 3",
        "mixtral, 1",
        "mixtral, 2",
        "mixtral, 3",
        "qwen3-moe, 1",
        "qwen3-moe, 2",
        "qwen3-moe, 3",
        "qwen3-moe, 4",
        "qwen3-next, 1",
        "qwen3-next, 2",
        "qwen3-next, 3",
        "qwen3-next, 4",
        "gpt-oss, 1",
        "gpt-oss, 2",
        "gpt-oss, 3",
        "gpt-oss, 4",
        "deepseek-v3, 1",
        "deepseek-v3, 2",
        "deepseek-v3, 3",
        "deepseek-v3, 4"
    })
    void logitsAndGreedyIdsMatchTheRecordedOnes(String name, int ranks) throws Exception {
        try (TestGroup group =
                TestGroup.load(Fixtures.require("models/" + name), ranks, "f32", "f32")) {
            for (Goldens.Case golden : goldens(name).cases()) {
                requireLogits(name, group, golden);
                assertArrayEquals(
                        golden.greedy(), group.greedy(golden.prompt(), golden.greedy().length, 1));
            }
        }
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

    @Tag("sweep")
    @ParameterizedTest
    @CsvSource({
        "llama, 1", "llama, 3", "mistral-swa, 2", "qwen2, 1", "qwen3, 2", "phi3, 3", "gpt2, 1",
        "gpt2, 3", "starcoder2, 2", "gemma2, 2", "gemma3, 1", "gemma3, 3", "olmo2, 1", "olmo2, 3",
        "granite, 2", "mixtral, 1", "qwen3-moe, 3"
    })
    void aSequenceOfOtherFamiliesHasTheSameBits(String name, int ranks) throws Exception {
        requireSameBits(name, ranks);
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
