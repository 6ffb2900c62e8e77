// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.CutRewrite;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.RankReads;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Folders that were cut for ranks against the folders that they were cut from, in any kind of
/// layer and format.
class CutRanksTest {
    private static final Path RESOURCES = Path.of("src", "test", "resources");
    private static final boolean LONG = Boolean.getBoolean("lockstep.long");

    @TempDir Path temporary;

    @ParameterizedTest
    @CsvSource({
        "references/llama3, 2, 1",
        "references/llama3, 3, 2",
        "references/llama3, 4, 2",
        "references/llama-bf16-sharded, 3, 2",
        "references/llama3, 1, 2",
        "references/qwen2moe, 2, 2",
        "references/glm4moe, 3, 1",
        "references/olmoe, 4, 1",
        "references/granite-hybrid-moe, 2, 2",
        "references/qwen3-5, 3, 1",
        "references/falcon-h1, 2, 1",
        "references/lfm2, 2, 1",
        "references/gptoss-mxfp4, 3, 2",
        "references/gptoss-mxfp4-128, 2, 1",
        "references/gptbigcode, 3, 1",
        "references/llama4, 2, 1",
        "references/deepseek-v3, 4, 1",
        "references/gemma3n, 2, 1",
        "quantized/ct-w8a8, 2, 1",
        "quantized/ct-w8a8, 3, 2",
        "quantized/fp8-blocks, 2, 2",
        "quantized/fp8-partial-blocks, 3, 1",
        "quantized/fp8-latent-64, 2, 1",
        "quantized/ct-w4a16, 2, 1",
        "quantized/ct-w4a16-asym, 3, 1",
        "quantized/gptq-act-order-64, 1, 2",
        "quantized/gptq-act-order-64, 2, 1",
        "quantized/bnb-nf4-64, 2, 1",
        "quantized/modelopt-nvfp4-128, 2, 1",
        "quantized/mlx, 3, 1"
    })
    void logitsAndGreedyIdsHaveTheBitsOfTheWholeFolder(String name, int ranks, int stages)
            throws Exception {
        requireSameBits(RESOURCES.resolve(name), ranks, stages);
    }

    /// Every recorded folder, at every number of ranks up to 4 that its layers allow.
    @TestFactory
    Stream<DynamicTest> everyRecordedFolderHasTheBitsOfTheWholeOne() throws IOException {
        List<DynamicTest> tests = new ArrayList<>();
        if (!LONG) {
            return Stream.empty();
        }
        for (String kind : List.of("references", "quantized", "fp8-cache")) {
            try (Stream<Path> folders = Files.list(RESOURCES.resolve(kind))) {
                for (Path each : folders.sorted().toList()) {
                    if (!Files.exists(each.resolve("config.json"))) {
                        continue;
                    }
                    for (int ranks = 1; ranks <= 4; ranks++) {
                        int size = ranks;
                        tests.add(
                                DynamicTest.dynamicTest(
                                        "%s, %d ranks".formatted(each.getFileName(), size),
                                        () -> {
                                            assumeTrue(isLoadable(each, size));
                                            requireSameBits(each, size, 1);
                                        }));
                    }
                }
            }
        }
        return tests.stream();
    }

    private static boolean isLoadable(Path folder, int ranks) {
        try {
            ModelSource.open(folder).requireLoadable(ranks);
            return true;
        } catch (CheckpointException | IllegalArgumentException _) {
            return false;
        }
    }

    private void requireSameBits(Path source, int ranks, int stages) throws Exception {
        Path target = cut(source, ranks, stages);
        // A rank of a group that cannot load would keep the others waiting.
        for (int rank = 0; rank < ranks; rank++) {
            try (Kernels kernels = kernels()) {
                load(target, kernels, rank, ranks);
            }
        }
        int[] prompt = {5, 7, 12, 30, 9, 41, 8, 3, 17};
        List<TestGroup.Row> rows =
                List.of(new TestGroup.Row(prompt, 0, TestGroup.blocks(1, prompt.length)));
        float[][] expected;
        int[] ids;
        try (TestGroup group = TestGroup.load(source, ranks, "auto", "f32")) {
            expected = group.forward(rows);
            ids = expected[0].length == 0 ? new int[0] : group.greedy(prompt, 8, 20);
        }
        try (TestGroup group = TestGroup.load(target, ranks, "auto", "f32")) {
            assertArrayEquals(expected, group.forward(rows));
            assertArrayEquals(ids, ids.length == 0 ? ids : group.greedy(prompt, 8, 20));
        }
        requireSameForecast(ModelSource.open(source), ModelSource.open(target), ranks);
    }

    /// Returns the bill of a worker's weights.
    private static void requireSameForecast(ModelSource source, ModelSource cut, int ranks) {
        assertEquals(source.parameterCount(), cut.parameterCount());
        assertEquals(source.config(), cut.config());
        try (Kernels kernels = kernels()) {
            for (int rank = 0; rank < ranks; rank++) {
                Shard shard = source.shard(rank, ranks);
                assertEquals(
                        source.weightBytes(shard, kernels, DType.F32),
                        cut.weightBytes(shard, kernels, DType.F32),
                        "rank " + rank);
            }
        }
    }

    private static Kernels kernels() {
        return CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning().expandingLatents());
    }

    private Path cut(Path source, int ranks, int stages) {
        Path target = temporary.resolve("cut");
        List<RankReads> reads = ModelSource.open(source).requireLoadable(ranks).reads(ranks);
        CutRewrite.of(source, target, reads, stages).write((_, _) -> {});
        return target;
    }

    /// Whole on every rank are norms, routers, embeddings; everything else is in one file.
    @ParameterizedTest
    @CsvSource({"references/llama3, 2", "references/olmoe, 3", "quantized/ct-w4a16, 2"})
    void nothingIsWrittenTwice(String name, int ranks) throws Exception {
        Path source = RESOURCES.resolve(name);
        long headers = 40_000L * ranks;
        long all = 0;
        try (Stream<Path> files = Files.list(cut(source, ranks, 1))) {
            for (Path each : files.filter(CutRanksTest::isModelFile).toList()) {
                all += Files.size(each);
            }
        }
        long whole = Files.size(source.resolve("model.safetensors"));
        assertTrue(all < whole * 1.1 + headers, all + " bytes, the source has " + whole);
    }

    private static boolean isModelFile(Path file) {
        return String.valueOf(file.getFileName()).startsWith("model-stage");
    }

    /// Scores are computed by a process that is no rank.
    @Test
    void theRowsOfAScoreAreReadWithoutARank() throws Exception {
        Path source = Files.createDirectory(temporary.resolve("reranker"));
        TinyModel.llama("LlamaForCausalLM").write(source);
        Files.writeString(
                source.resolve("modules.json"),
                """
                [{"path": "", "type": "sentence_transformers.models.Transformer"},
                 {"path": "1_LogitScore", "type": "sentence_transformers.models.LogitScore"}]
                """);
        Files.createDirectory(source.resolve("1_LogitScore"));
        Files.writeString(
                source.resolve("1_LogitScore").resolve("config.json"),
                "{\"true_token_id\": 150, \"false_token_id\": 9}");
        requireSameBits(source, 2, 2);
        Path target = temporary.resolve("cut");
        delete(target, "-rank-");
        assertEquals(score(source), score(target));
    }

    @ParameterizedTest
    @CsvSource({
        "cross-encoders/bert, 2",
        "cross-encoders/modernbert-mean, 2",
        "cross-encoders/xlm-roberta, 2",
        "cross-encoders/distilbert, 1"
    })
    void anEncoderHasTheBitsOfTheWholeFolder(String name, int ranks) throws Exception {
        Path source = RESOURCES.resolve(name);
        Path target = cut(source, ranks, 1);
        assertEquals(score(source), score(target));
        int[] ids = {5, 7, 12, 30, 9};
        List<TestGroup.Row> rows =
                List.of(new TestGroup.Row(ids, 0, TestGroup.blocks(1, ids.length)));
        try (TestGroup whole = TestGroup.load(source, ranks, "f32", "f32");
                TestGroup cut = TestGroup.load(target, ranks, "f32", "f32")) {
            assertArrayEquals(whole.hiddenStates(rows), cut.hiddenStates(rows));
        }
    }

    private static double score(Path folder) {
        Checkpoint checkpoint = Checkpoint.open(folder);
        float[] state = new float[checkpoint.config().hiddenSize()];
        for (int i = 0; i < state.length; i++) {
            state[i] = (i % 7 - 3) / 4f;
        }
        return assertInstanceOf(SentenceModel.Score.class, checkpoint.sentenceModel().output())
                .of(state);
    }

    @ParameterizedTest
    @CsvSource({"tensor, 2", "heads, 3"})
    void theScalesOfAnFp8CacheAreThoseOfTheWholeFolder(String name, int ranks) throws Exception {
        Path source = RESOURCES.resolve("fp8-cache").resolve(name);
        Path target = cut(source, ranks, 2);
        assertTrue(ModelSource.open(target).hasCacheScales());
        int[] ids = {5, 7, 12, 30, 9, 41};
        List<TestGroup.Row> rows =
                List.of(new TestGroup.Row(ids, 0, TestGroup.blocks(1, ids.length)));
        try (TestGroup whole = TestGroup.load(source, ranks, "f32", "fp8");
                TestGroup cut = TestGroup.load(target, ranks, "f32", "fp8")) {
            assertArrayEquals(whole.forward(rows), cut.forward(rows));
        }
    }

    @Test
    void columnsInTheOrderOfGroupsAreRefusedOnAGpu() {
        Path source = RESOURCES.resolve("quantized").resolve("gptq-act-order-64");
        DeviceCapabilities gpu = DeviceCapabilities.ofCuda(9, 0);
        ModelSource.open(source).computeTypes("auto", "auto", gpu);
        ModelSource cut = ModelSource.open(cut(source, 1, 1));
        cut.computeTypes("auto", "auto", DeviceCapabilities.ofCpu("vector_api", false));
        CheckpointException refused =
                assertThrows(
                        CheckpointException.class, () -> cut.computeTypes("auto", "auto", gpu));
        assertTrue(
                refused.getMessage()
                        .endsWith(
                                " was cut with its columns in the order of their groups, which only a CPU multiplies: use --device cpu, or the original model"),
                refused.getMessage());
    }

    /// What such a family reads is known only when it loads.
    @Test
    void aFamilyThatComputesWhileItLoadsIsNotCut() {
        Path source = RESOURCES.resolve("references").resolve("llama3");
        ModelFamily computing =
                new ModelFamily() {
                    @Override
                    public Set<String> architectures() {
                        return Set.of("LlamaForCausalLM");
                    }

                    @Override
                    public Model load(Weights weights) {
                        weights.kernels().clear(weights.vector(new float[1]));
                        throw new AssertionError("headers compute nothing");
                    }
                };
        var loader = new ModelLoader(Checkpoint.open(source), computing);
        Shard shard = ModelSource.open(source).shard(0, 2);
        CheckpointException refused =
                assertThrows(CheckpointException.class, () -> loader.reads(shard));
        assertTrue(refused.getMessage().endsWith(": such models are not cut"));
    }

    @Test
    void aRankLoadsWithoutTheFilesOfTheOthers() throws Exception {
        Path target = cut(Fixtures.require("models/llama"), 2, 2);
        delete(target, "rank-0-of-2");
        try (Kernels kernels = kernels()) {
            Model model = load(target, kernels, 1, 2);
            assertEquals(1, model.shard().rank());
        }
        CheckpointException refused =
                assertThrows(
                        CheckpointException.class,
                        () -> ModelSource.open(target).requireLoadable(2));
        assertTrue(
                refused.getMessage()
                        .contains(
                                "model-stage-0-of-2-rank-0-of-2.safetensors is missing: it has the part of rank 0 in stage 0"),
                refused.getMessage());
    }

    private static Model load(Path folder, Kernels kernels, int rank, int size) {
        ModelSource source = ModelSource.open(folder);
        var settings = new LoadSettings(DType.F32, DType.F32, 16, 64, LoadSettings.Progress.none());
        return source.load(source.shard(rank, size), kernels, settings);
    }

    private static void delete(Path folder, String part) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path each : files.toList()) {
                if (String.valueOf(each.getFileName()).contains(part)) {
                    Files.delete(each);
                }
            }
        }
    }
}
