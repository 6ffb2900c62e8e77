// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CompressedLayout;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.model.StoredRows;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The experts of a mixture are calibrated with the inputs of the tokens that chose them.
@Tag("sweep")
class MixtureConversionTest {
    private static final String SENTENCE =
            "A rank that stood still and wakes up is refused; the others have gone on. ";

    @TempDir Path folder;

    @ParameterizedTest
    @CsvSource({
        "mixtral, GPTQ",
        "mixtral, AWQ",
        "mixtral, AWQ_GPTQ",
        "qwen3-moe, GPTQ",
        "qwen3-moe, AWQ",
        "qwen3-moe, AWQ_GPTQ"
    })
    void calibratedExpertsLoseLessThanRoundedOnes(String name, Method method) throws Exception {
        Path source = Fixtures.require("models/" + name);
        Path rounded = folder.resolve("rounded");
        convert(source, rounded, "int4", Optional.empty(), Method.ROUND);
        Path calibrated = folder.resolve("calibrated");
        List<String> report = convert(source, calibrated, "int4", Optional.of(texts()), method);
        assertFalse(report.toString().contains("not observed"), report::toString);
        double before = divergence(source, rounded);
        double after = divergence(source, calibrated);
        assertTrue(after < before, "%s after %s".formatted(after, before));
    }

    /// What decides about experts reads the norm too: it is multiplied by powers of two, so that it
    /// stays exact.
    @ParameterizedTest
    @CsvSource({
        "mixtral, block_sparse_moe, w1, w3, int4, AWQ",
        "mixtral, block_sparse_moe, w1, w3, int4, AWQ_GPTQ",
        "qwen3-moe, mlp, gate_proj, up_proj, int4, AWQ",
        "mixtral, block_sparse_moe, w1, w3, smoothquant-w8a8, ROUND"
    })
    void theRouterTakesTheScalesOfItsNormExactly(
            String name, String block, String gate, String up, String type, Method method)
            throws Exception {
        Path source = withOutliers(name, block, gate, up);
        Path target = folder.resolve("scaled");
        convert(source, target, type, Optional.of(texts()), method);
        String matrix = "model.layers.1.%s.gate.weight".formatted(block);
        String norm = "model.layers.1.post_attention_layernorm.weight";
        float[] before = values(source, matrix);
        float[] after = values(target, matrix);
        float[] normBefore = values(source, norm);
        float[] normAfter = values(target, norm);
        int other = 0;
        for (int i = 0; i < before.length; i++) {
            int column = i % normBefore.length;
            float scale = normBefore[column] / normAfter[column];
            assertEquals(Math.scalb(1f, Math.getExponent(scale)), scale);
            assertEquals(before[i] * scale, after[i]);
            other += scale == 1 ? 0 : 1;
        }
        assertTrue(other > 0);
        Path rounded = folder.resolve("rounded");
        Quantization plain =
                method != Method.ROUND
                        ? Quantization.of(type, 32, 0.5f).orElseThrow()
                        : new Quantization.Folder(new CompressedLayout.Int8Rows());
        new Conversion(source, rounded, plain, List.of(), Optional.empty(), 512, Method.ROUND)
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
        double without = divergence(source, rounded);
        double with = divergence(source, target);
        assertTrue(with < without, () -> "%s after %s".formatted(with, without));
    }

    /// Errors are passed on for the inputs as they are divided: else those of large channels would
    /// count too much.
    @Test
    void errorsThatArePassedOnAfterScalingLoseLessThanEitherAlone() throws Exception {
        Path source = withOutliers("mixtral", "block_sparse_moe", "w1", "w3");
        double awq = divergence(source, Method.AWQ, 2);
        double gptq = divergence(source, Method.GPTQ, 1);
        double both = divergence(source, Method.AWQ_GPTQ, 1);
        assertTrue(both < awq, () -> "%s, by scaling %s".formatted(both, awq));
        assertTrue(both < gptq, () -> "%s, by error feedback %s".formatted(both, gptq));
    }

    /// @param lines of the report
    private double divergence(Path source, Method method, int lines) throws Exception {
        Path target = folder.resolve(method.word());
        List<String> report = convert(source, target, "int4", Optional.of(texts()), method);
        assertEquals(lines, report.size(), report::toString);
        return divergence(source, target);
    }

    /// Two channels of the inputs of experts are 40 times as large as others.
    private Path withOutliers(String name, String block, String gate, String up) throws Exception {
        Path source = Files.createDirectory(folder.resolve("source"));
        try (Stream<Path> files = Files.list(Fixtures.require("models/" + name))) {
            for (Path each : files.toList()) {
                Files.write(source.resolve(each.getFileName()), Files.readAllBytes(each));
            }
        }
        List<String> readers = new ArrayList<>(List.of(block + ".gate"));
        for (int expert = 0; expert < 8; expert++) {
            readers.add("%s.experts.%d.%s".formatted(block, expert, gate));
            readers.add("%s.experts.%d.%s".formatted(block, expert, up));
        }
        for (int channel : new int[] {3, 70}) {
            OutlierChannel.add(
                    source, "model.layers.1.", "post_attention_layernorm", readers, channel, 40);
        }
        return source;
    }

    @Test
    void theDownProjectionsOfExpertsAreNotSmoothed() throws Exception {
        Path source = Fixtures.require("models/mixtral");
        Path target = folder.resolve("smooth");
        List<String> report =
                convert(source, target, Quantization.SMOOTHED, Optional.of(texts()), Method.ROUND);
        // One output and 8 down projections in each of 3 layers.
        assertTrue(report.getLast().startsWith("27 matrices, such as "), report::toString);
        assertEquals(2, report.size());
    }

    @Test
    void expertsThatNoTokenChoseAreRoundedAndNamed() throws Exception {
        Path source = Fixtures.require("models/mixtral");
        Path text = Files.writeString(folder.resolve("short.jsonl"), "{\"text\": \"a\"}\n");
        List<String> report =
                new Conversion(
                                source,
                                folder.resolve("short"),
                                Quantization.of("int4", 32, 0.5f).orElseThrow(),
                                List.of(),
                                Optional.of(text),
                                1,
                                Method.GPTQ)
                        .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
        // One token chooses 2 of 8 experts in each of 3 layers; an expert has 3 matrices.
        assertTrue(report.getLast().startsWith("54 matrices, such as model."), report::toString);
        assertTrue(
                report.getLast().endsWith(": no token of the texts chose their expert"),
                report::toString);
        assertEquals(2, report.size());
    }

    @Test
    void expertsAreWrittenEquallyByAnyPasses() throws Exception {
        Path source = Fixtures.require("models/qwen3-moe");
        Path once = folder.resolve("once");
        Path passes = folder.resolve("passes");
        convert(source, once, "int4", Optional.of(texts()), Method.GPTQ);
        convert(source, passes, "int4", Optional.of(texts()), Method.GPTQ, 1 << 20);
        assertArrayEquals(
                Files.readAllBytes(once.resolve("model.safetensors")),
                Files.readAllBytes(passes.resolve("model.safetensors")));
    }

    /// A file has all experts of a layer in one tensor: each is quantized with its own inputs.
    @ParameterizedTest
    @CsvSource({"GPTQ", "AWQ"})
    void aFileOfAFileHasTheExpertsOfAFileOfItsFolder(Method method) throws Exception {
        Path source = Fixtures.require("models/qwen3-moe");
        Path plain = folder.resolve("plain.gguf");
        convert(source, plain, "none", Optional.empty(), Method.ROUND);
        Path ofFolder = folder.resolve("folder.gguf");
        convert(source, ofFolder, "q4_0", Optional.of(texts()), method);
        Path ofFile = folder.resolve("file.gguf");
        List<String> report = convert(plain, ofFile, "q4_0", Optional.of(texts()), method);
        assertFalse(report.toString().contains(".experts."), report::toString);
        Path rounded = folder.resolve("rounded.gguf");
        convert(source, rounded, "q4_0", Optional.empty(), Method.ROUND);
        int experts = 0;
        int changed = 0;
        for (String name : Checkpoint.open(ofFile).tensorNames()) {
            if (name.contains(".experts.")) {
                byte[] expected = bytes(ofFolder, name);
                assertArrayEquals(expected, bytes(ofFile, name), name);
                changed += Arrays.equals(expected, bytes(rounded, name)) ? 0 : 1;
                experts++;
            }
        }
        assertEquals(9, experts);
        // Scales of gate and up may all be 1, as no channel is much larger than others.
        assertTrue(changed >= (method == Method.GPTQ ? 9 : 3));
        assertTrue(divergence(source, ofFile) < divergence(source, rounded));
    }

    /// The shared expert and its gate read the same norm; a layer without experts is between
    /// others.
    @ParameterizedTest
    @CsvSource({"int8, AWQ", "smoothquant-w8a8, ROUND"})
    void sharedExpertsAndTheirGateTakeTheScales(String type, Method method) throws Exception {
        Path source = folder.resolve("shared");
        writeWithSharedExpert(source);
        Path target = folder.resolve("scaled");
        convert(source, target, type, Optional.of(texts()), method);
        for (String name : List.of("mlp.gate", "mlp.shared_expert_gate")) {
            String gate = "model.layers.1.%s.weight".formatted(name);
            assertFalse(Arrays.equals(values(source, gate), values(target, gate)), gate);
        }
        double divergence = divergence(source, target);
        assertTrue(divergence < 1e-3, () -> String.valueOf(divergence));
    }

    /// llama.cpp writes the gate of the shared expert as a vector.
    @Test
    void aSharedGateThatIsAVectorTakesTheScalesOfItsColumns() throws Exception {
        Path matrix = folder.resolve("matrix");
        Path vector = folder.resolve("vector");
        writeWithSharedExpert(matrix, List.of(1L, 64L));
        writeWithSharedExpert(vector, List.of(64L));
        String gate = "model.layers.1.mlp.shared_expert_gate.weight";
        assertEquals(1, Checkpoint.open(vector).tensor(gate).columns());
        Path ofMatrix = folder.resolve("of-matrix");
        Path ofVector = folder.resolve("of-vector");
        convert(matrix, ofMatrix, "int8", Optional.of(texts()), Method.AWQ);
        convert(vector, ofVector, "int8", Optional.of(texts()), Method.AWQ);
        assertFalse(Arrays.equals(bytes(matrix, gate), bytes(ofMatrix, gate)));
        for (String name : Checkpoint.open(ofMatrix).tensorNames()) {
            assertArrayEquals(bytes(ofMatrix, name), bytes(ofVector, name), name);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"mlp", "block_sparse_moe"})
    void mergedExpertsTakeTheScalesOfTheirNorm(String block) {
        ScaledLinks links = ScaledLinks.of("qwen2moe", 4, "--method=awq");
        assertTrue(links.reads("model.layers.1.%s.experts.3.gate_up_proj.weight".formatted(block)));
        assertFalse(
                links.reads("model.layers.1.%s.experts.4.gate_up_proj.weight".formatted(block)));
    }

    private static void writeWithSharedExpert(Path source) throws Exception {
        writeWithSharedExpert(source, List.of(1L, 64L));
    }

    /// @param gate the shape of what decides about the shared expert
    private static void writeWithSharedExpert(Path source, List<Long> gate) throws Exception {
        TinyCheckpoint.write(source, 1);
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        shapes.put("model.embed_tokens.weight", List.of(512L, 64L));
        for (int layer = 0; layer < 2; layer++) {
            String prefix = "model.layers.%d.".formatted(layer);
            for (String matrix : List.of("q", "k", "v", "o")) {
                String name = prefix + "self_attn.%s_proj".formatted(matrix);
                shapes.put(name + ".weight", List.of(64L, 64L));
                if (!matrix.equals("o")) {
                    shapes.put(name + ".bias", List.of(64L));
                }
            }
            shapes.put(prefix + "input_layernorm.weight", List.of(64L));
            shapes.put(prefix + "post_attention_layernorm.weight", List.of(64L));
            feedForward(shapes, prefix + (layer == 0 ? "mlp." : "mlp.shared_expert."), 96);
        }
        shapes.put("model.layers.1.mlp.gate.weight", List.of(4L, 64L));
        shapes.put("model.layers.1.mlp.shared_expert_gate.weight", gate);
        for (int expert = 0; expert < 4; expert++) {
            feedForward(shapes, "model.layers.1.mlp.experts.%d.".formatted(expert), 32);
        }
        shapes.put("model.norm.weight", List.of(64L));
        String config =
                """
                {"architectures": ["Qwen2MoeForCausalLM"], "model_type": "qwen2_moe",
                 "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
                 "num_key_value_heads": 4, "intermediate_size": 96, "vocab_size": 512,
                 "num_experts": 4, "num_experts_per_tok": 4, "moe_intermediate_size": 32,
                 "shared_expert_intermediate_size": 96, "norm_topk_prob": false,
                 "decoder_sparse_step": 1, "mlp_only_layers": [0], "hidden_act": "silu",
                 "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
                 "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2}
                """;
        TinyCheckpoint.write(source, 3, config, shapes);
        OutlierChannel.add(source, "model.layers.1.", "post_attention_layernorm", List.of(), 5, 20);
    }

    private static void feedForward(Map<String, List<Long>> shapes, String prefix, long width) {
        shapes.put(prefix + "gate_proj.weight", List.of(width, 64L));
        shapes.put(prefix + "up_proj.weight", List.of(width, 64L));
        shapes.put(prefix + "down_proj.weight", List.of(64L, width));
    }

    private static byte[] bytes(Path path, String name) {
        return Checkpoint.open(path).tensor(name).data().toArray(ValueLayout.JAVA_BYTE);
    }

    private static float[] values(Path path, String name) {
        WeightMatrix matrix = Checkpoint.open(path).tensor(name);
        if (matrix.columns() == 1) {
            return matrix.floats(0, matrix.rows());
        }
        try (Kernels kernels = TestConversion.kernels()) {
            return new StoredRows(kernels)
                    .read(matrix, IntStream.range(0, matrix.rows()).toArray());
        }
    }

    private Path texts() throws Exception {
        return Files.writeString(
                folder.resolve("texts.jsonl"),
                "{\"text\": \"%s\"}%n".formatted(SENTENCE.repeat(20)));
    }

    private static List<String> convert(
            Path source, Path target, String type, Optional<Path> texts, Method method) {
        return convert(source, target, type, texts, method, 1L << 30);
    }

    private static List<String> convert(
            Path source,
            Path target,
            String type,
            Optional<Path> texts,
            Method method,
            long maxBytes) {
        return new Conversion(
                        source,
                        target,
                        Quantization.of(type, 32, 0.5f).orElseThrow(),
                        List.of(),
                        texts,
                        512,
                        method)
                .run(TestConversion::kernels, maxBytes, TestConversion.quiet());
    }

    private double divergence(Path source, Path target) throws Exception {
        return TestConversion.divergence(source, target, SENTENCE.repeat(20), folder);
    }
}
