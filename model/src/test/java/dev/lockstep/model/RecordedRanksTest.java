// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.SeparateExperts;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Recorded models at more ranks than [RecordedLogitsTest] has, and in any batch: mixtures of
/// experts with dense layers, shared experts and choices of their own, latent attention, and norms
/// after the rotation.
class RecordedRanksTest {

    @ParameterizedTest
    @CsvSource({
        "qwen3moe-sparse-step, 3",
        "qwen2moe, 3",
        "qwen2moe, 4",
        "glm4moe, 3",
        "glm4moe, 4",
        "dots1, 3",
        "minimaxm2, 3",
        "minimaxm2, 4",
        "olmoe, 3",
        "ernie4_5moe, 3",
        "ernie4_5moe, 4",
        "granitemoeshared, 3",
        "deepseek-v2, 3",
        "deepseek-v3, 4",
        "glm4moelite, 3",
        "hunyuan, 3",
        "hunyuan, 4",
        "hunyuan-moe, 3",
        "hunyuan-moe, 4",
        "llama4, 3",
        "llama4, 4",
        "llama4-vision, 3",
        "qwen3-vl-moe, 3",
        "glm4v-moe, 3",
        "mistral4, 3",
        "mistral4, 4",
        "falcon, 3",
        "falcon-grouped, 3",
        "falcon-grouped, 4",
        "gemma4, 3",
        "gemma4, 4",
        "gemma4-layer-inputs, 3",
        "gemma4-layer-inputs, 4",
        "gemma3n, 3",
        "gemma3n, 4",
        "gemma4-moe, 3",
        "gemma4-moe, 4",
        "phi, 3",
        "phi, 4",
        "gpt-neox, 3",
        "gpt-neox, 4",
        "stablelm, 3",
        "stablelm-parallel, 4",
        "olmo, 3",
        "vaultgemma, 3",
        "internlm2, 3",
        "internlm2, 4",
        "solar-open, 3",
        "exaone-moe, 3",
        "youtu, 3",
        "cohere-norms, 3",
        "cohere-norms, 4"
    })
    void logitsAndGreedyIdsMatchTheRecordedOnes(String name, int ranks) throws Exception {
        Path folder = folder(name);
        try (TestGroup group = TestGroup.load(folder, ranks, "f32", "f32")) {
            for (Goldens.Case golden : FamilyGoldenTest.goldens(folder).cases()) {
                FamilyGoldenTest.requireLogits(name, group, golden);
                assertArrayEquals(
                        golden.greedy(), group.greedy(golden.prompt(), golden.greedy().length, 1));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "qwen2moe",
                "glm4moe",
                "dots1",
                "minimaxm2",
                "olmoe",
                "ernie4_5moe",
                "granitemoeshared",
                "deepseek-v2",
                "deepseek-v3",
                "glm4moelite",
                "hunyuan",
                "hunyuan-moe",
                "llama4",
                "llama4-vision",
                "gemma4",
                "gemma4-layer-inputs",
                "gemma4-moe",
                "gemma3n",
                "falcon-grouped",
                "mistral4",
                "phi",
                "gpt-neox",
                "stablelm-parallel",
                "olmo",
                "internlm2",
                "exaone-moe",
                "youtu",
                "cohere-norms"
            })
    void aSequenceHasTheSameBitsAloneInAMixedBatchAndInChunks(String name) throws Exception {
        Path folder = folder(name);
        try (TestGroup group = TestGroup.load(folder, 2, "f32", "f32")) {
            AnyBatch.requireSameBits(group, FamilyGoldenTest.goldens(folder).prompts());
        }
    }

    /// What `convert` writes has a matrix for each expert.
    @ParameterizedTest
    @CsvSource({
        "gpt-oss, ALTERNATING, 1",
        "gpt-oss, ALTERNATING, 3",
        "gpt-oss, ALTERNATING, 4",
        "llama4, COLUMNS, 2",
        "qwen3-vl-moe, COLUMNS, 3",
        "granitemoeshared, ROWS, 3",
        "granite-hybrid-moe, ROWS, 2"
    })
    void expertsThatWereTakenApartMatchTheRecordedLogits(
            String name, SeparateExperts.Form form, int ranks, @TempDir Path temporary)
            throws Exception {
        Path apart = temporary.resolve("apart");
        Path source = name.equals("gpt-oss") ? Fixtures.require("models/gpt-oss") : folder(name);
        SeparateExperts.write(source, apart, form);
        ModelSource.open(apart).requireLoadable(ranks);
        try (TestGroup group = TestGroup.load(apart, ranks, "f32", "f32")) {
            Goldens goldens = FamilyGoldenTest.goldens(apart);
            for (Goldens.Case golden : goldens.cases()) {
                FamilyGoldenTest.requireLogits(name, group, golden);
                assertArrayEquals(
                        golden.greedy(), group.greedy(golden.prompt(), golden.greedy().length, 1));
            }
            AnyBatch.requireSameBits(group, goldens.prompts());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"gemma3n", "gemma4-layer-inputs"})
    void layersReadKeysAndValuesOfEarlierOnesThatNoSequenceKeeps(String name) throws Exception {
        Path folder = folder(name);
        try (TestGroup group = TestGroup.load(folder, 2, "f32", "f32")) {
            for (int[] prompt : FamilyGoldenTest.goldens(folder).prompts()) {
                List<TestGroup.Row> row =
                        List.of(new TestGroup.Row(prompt, 0, TestGroup.blocks(1, prompt.length)));
                assertArrayEquals(group.hiddenStatesWithKv(row), group.hiddenStates(row));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "qwen2moe",
                "granitemoeshared",
                "deepseek-v2",
                "gptoss-mxfp4",
                "hunyuan",
                "cohere-norms",
                "llama4",
                "gemma4",
                "gemma4-layer-inputs",
                "gemma4-moe",
                "nemotron-h-latent",
                "gemma3n",
                "phi",
                "gpt-neox",
                "internlm2",
                "youtu"
            })
    void headersShowThatAModelCanBeLoaded(String name) throws Exception {
        ModelSource source = ModelSource.open(folder(name));
        for (int ranks = 1; ranks <= 4; ranks++) {
            source.requireLoadable(ranks);
        }
    }

    private static Path folder(String name) throws URISyntaxException {
        return Path.of(
                Objects.requireNonNull(RecordedRanksTest.class.getResource("/references/" + name))
                        .toURI());
    }
}
