// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.kernels.BlockCopy;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.cpu.CpuOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Latent attention whose keys and values are expanded in the whole spans of a prompt.
class ExpandedLatentTest {
    private static final int SPAN = 16;

    /// Scores and sums of 100 positions in another order, through two layers, of logits of about 1.
    private static final float ROUNDING = 1e-5f;

    @TempDir Path folder;

    @ParameterizedTest
    @CsvSource({
        "deepseek-v2, 1",
        "deepseek-v2, 3",
        "deepseek-v3, 1",
        "deepseek-v3, 2",
        "deepseek-v3, 3",
        "glm4moelite, 1",
        "glm4moelite, 3",
        "mistral4, 1",
        "mistral4, 2",
        "mistral4, 3",
        "youtu, 1",
        "youtu, 3",
        "gguf-deepseek-v3, 1",
        "gguf-deepseek-v3, 3",
        "gguf-deepseek-v2, 2",
        "gguf-deepseek-v2-unsplit, 2",
        "gguf-glm4moelite, 2"
    })
    void logitsAndGreedyIdsMatchTheRecordedOnes(String name, int ranks) throws Exception {
        Path model = reference(name);
        Path weights = name.startsWith("gguf") ? model.resolve("model.gguf") : model;
        try (TestGroup group = TestGroup.load(weights, ranks, "f32", "f32").expanding(SPAN)) {
            int spans = 0;
            for (Goldens.Case golden : FamilyGoldenTest.goldens(model).cases()) {
                spans += golden.prompt().length / SPAN;
                FamilyGoldenTest.requireLogits(name, group, golden);
                assertArrayEquals(
                        golden.greedy(), group.greedy(golden.prompt(), golden.greedy().length, 1));
            }
            assertFalse(spans == 0);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "f32, 1", "f32, 2", "f32, 3", "f16, 1", "f16, 3", "bf16, 2", "fp8, 1", "fp8, 3", "q8, 1",
        "q8, 2", "q8, 3", "q8, 4"
    })
    void aSequenceHasTheSameBitsAloneInAMixedBatchAndInChunks(String type, int ranks)
            throws Exception {
        LatentModel.write(folder);
        try (TestGroup group = TestGroup.load(folder, ranks, "f32", type).expanding(SPAN)) {
            AnyBatch.requireSameBits(
                    group, List.of(new int[] {3, 1, 4}, ids(5, 35), ids(6, 16), ids(7, 100)));
        }
    }

    /// One segment of attention and more than one piece of an expansion.
    @ParameterizedTest
    @CsvSource({"1, 1", "2, 4"})
    void aLongSequenceHasTheSameBitsInChunksWithAnyThreads(int threads, int other)
            throws Exception {
        LatentModel.write(folder);
        int[] prompt = ids(8, 700);
        float[][] logits = inChunks(prompt, 256, threads);
        assertArrayEquals(logits, inChunks(prompt, 256, other));
        assertArrayEquals(logits, inChunks(prompt, 190, other));
        assertArrayEquals(logits, inChunks(prompt, 33, threads));
    }

    @ParameterizedTest
    @CsvSource({"f32", "f16", "bf16", "fp8", "q8"})
    void expandedAndAbsorbedAttentionDifferByRounding(String type) throws Exception {
        LatentModel.write(folder);
        int[] prompt = ids(9, 100);
        var row = List.of(new TestGroup.Row(prompt, 0, TestGroup.blocks(1, prompt.length)));
        try (TestGroup group = TestGroup.load(folder, 2, "f32", type)) {
            float[][] absorbed = group.forward(row);
            float[][] expanded = group.expanding(SPAN).forward(row);
            assertFalse(Arrays.deepEquals(absorbed, expanded), "nothing was expanded");
            for (int t = 0; t < prompt.length; t++) {
                assertArrayEquals(absorbed[t], expanded[t], rounding(type));
            }
        }
    }

    /// A prompt that shares two blocks of another one, and 5 tokens of its third, which are copied.
    @ParameterizedTest
    @CsvSource({"f32, 2", "f16, 1", "fp8, 2", "q8, 3"})
    void aPromptAfterAFoundPrefixHasTheSameBits(String type, int ranks) throws Exception {
        LatentModel.write(folder);
        int shared = 37;
        int[] first = ids(10, 60);
        int[] second = first.clone();
        second[shared] = (second[shared] + 1) % (int) TinyModel.VOCABULARY;
        try (TestGroup group = TestGroup.load(folder, ranks, "f32", type).expanding(SPAN)) {
            float[][] alone =
                    group.forward(List.of(new TestGroup.Row(second, 0, TestGroup.blocks(20, 60))));
            group.forward(List.of(new TestGroup.Row(first, 0, TestGroup.blocks(1, 60))));
            group.copyBlocks(List.of(new BlockCopy(3, 10, shared - 32)));
            int[] rest = Arrays.copyOfRange(second, shared, 60);
            var row = new TestGroup.Row(rest, shared, new int[] {1, 2, 10, 11});
            float[][] found = group.forward(List.of(row));
            for (int i = 0; i < rest.length; i++) {
                assertArrayEquals(alone[shared + i], found[i]);
            }
        }
    }

    /// What was generated is absorbed, also if it is computed again in one row with the prompt.
    @Test
    void generatedPositionsHaveTheSameBitsWhenTheyAreComputedAgain() throws Exception {
        LatentModel.write(folder);
        int[] ids = ids(11, 60);
        int prompt = 40;
        int[] blocks = TestGroup.blocks(1, ids.length);
        try (TestGroup group = TestGroup.load(folder, 2, "f32", "f16").expanding(SPAN)) {
            List<float[]> decoded = new ArrayList<>();
            var first = new TestGroup.Row(Arrays.copyOf(ids, prompt), 0, blocks);
            decoded.addAll(List.of(group.forward(List.of(first))));
            for (int i = prompt; i < ids.length; i++) {
                var row = new TestGroup.Row(new int[] {ids[i]}, i, blocks).ofPrompt(prompt);
                decoded.add(group.forward(List.of(row))[0]);
            }
            var again = new TestGroup.Row(ids, 0, blocks).ofPrompt(prompt);
            assertArrayEquals(decoded.toArray(float[][]::new), group.forward(List.of(again)));
        }
    }

    @Test
    void rowsWithoutKvHaveTheSameHiddenStates() throws Exception {
        LatentModel.write(folder);
        int[] prompt = ids(12, 40);
        try (TestGroup group = TestGroup.load(folder, 2, "f32", "f16").expanding(SPAN)) {
            var row = List.of(new TestGroup.Row(prompt, 0, TestGroup.blocks(1, prompt.length)));
            assertArrayEquals(group.hiddenStatesWithKv(row), group.hiddenStates(row));
        }
    }

    @Test
    void onlyACpuThatIsToldSoExpandsLatents() throws Exception {
        LatentModel.write(folder);
        ModelSource source = ModelSource.open(folder);
        DeviceCapabilities cpu = DeviceCapabilities.ofCpu("avx2", false);
        DeviceCapabilities expanding = cpu.expandingLatents(true);
        assertEquals(LatentExpansion.SPAN, source.promptSpan(expanding));
        assertEquals(0, source.promptSpan(cpu));
        assertEquals(0, source.promptSpan(DeviceCapabilities.ofCuda(9, 0)));
        ModelSource others = ModelSource.open(Fixtures.require("models/llama"));
        assertEquals(0, others.promptSpan(expanding));
    }

    private float[][] inChunks(int[] prompt, int chunk, int threads) throws Exception {
        int[] blocks = TestGroup.blocks(1, prompt.length);
        List<float[]> logits = new ArrayList<>();
        try (TestGroup group =
                TestGroup.load(
                                folder,
                                1,
                                "f32",
                                "f16",
                                new CpuRanks(
                                        CpuOptions.ofThreads(threads)
                                                .withoutSpinning()
                                                .expandingLatents()),
                                prompt.length)
                        .expanding(SPAN)) {
            for (int from = 0; from < prompt.length; from += chunk) {
                int[] ids = Arrays.copyOfRange(prompt, from, Math.min(prompt.length, from + chunk));
                var row = new TestGroup.Row(ids, from, blocks).ofPrompt(prompt.length);
                logits.addAll(List.of(group.forward(List.of(row))));
            }
        }
        return logits.toArray(float[][]::new);
    }

    private static float rounding(String type) {
        return switch (type) {
            case "f32" -> ROUNDING;
            // What later layers store is rounded otherwise where a value lies between two.
            case "f16" -> 0.002f;
            case "bf16" -> 0.02f;
            default -> 0.2f;
        };
    }

    private static int[] ids(int seed, int count) {
        return new Random(seed).ints(count, 0, (int) TinyModel.VOCABULARY).toArray();
    }

    private static Path reference(String name) throws Exception {
        return Path.of(
                Objects.requireNonNull(ExpandedLatentTest.class.getResource("/references/" + name))
                        .toURI());
    }
}
