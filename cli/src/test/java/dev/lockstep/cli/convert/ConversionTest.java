// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.model.LoadSettings;
import dev.lockstep.model.LocalModel;
import dev.lockstep.model.ModelSource;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("sweep")
class ConversionTest {
    private static final int[] PROMPT = {5, 77, 412, 130, 9, 41, 800, 3};

    private static final Path RECORDED =
            Path.of("..", "model", "src", "test", "resources", "references");

    @TempDir Path folder;

    /// The bounds are those of the fixture's own files of these types, which llama.cpp wrote: moved
    /// logits of 0.1 for Q8_0 to 4.6 for Q2_K.
    @ParameterizedTest
    @CsvSource({"q8_0, 0.2", "q6_k, 0.5", "q5_0, 1", "q4_k, 2", "q4_1, 2", "q2_k, 7"})
    void theConvertedModelRunsNearItsSource(String type, float bound) {
        Path target = folder.resolve(type + ".gguf");
        List<String> report = convert(target, type, Optional.empty(), List.of());
        assertTrue(report.getFirst().contains(type.toUpperCase(Locale.ROOT)));
        float[] expected = logits(source());
        float[] actual = logits(target);
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], actual[i], bound, "logit " + i);
        }
    }

    @ParameterizedTest
    @CsvSource({"int8, 32, 0.3", "int8, 128, 0.3", "int4, 32, 3", "fp8, 32, 1.5", "mxfp4, 32, 5"})
    void aQuantizedFolderRunsNearItsSource(String type, int groupSize, float bound)
            throws Exception {
        Path source = Fixtures.require("models/llama");
        Path target = folder.resolve("folder");
        List<String> report = convertFolder(source, target, type, groupSize, Optional.empty());
        assertTrue(report.getFirst().contains("21 tensors as " + type), report::toString);
        assertTrue(Files.exists(target.resolve("tokenizer.json")));
        Checkpoint read = Checkpoint.open(target);
        assertTrue(read.tensor("model.layers.0.mlp.up_proj.weight").decoder().isPresent());
        assertTrue(read.tensor("lm_head.weight").decoder().isEmpty());
        float[] expected = logits(source);
        float[] actual = logits(target);
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], actual[i], bound, "logit " + i);
        }
    }

    @Test
    void aTerminalShowsABar() throws Exception {
        Path source = folder.resolve("tiny");
        TinyCheckpoint.write(source, 1);
        Path texts = TestConversion.text(folder);
        var shown = new ByteArrayOutputStream();
        new Conversion(
                        source,
                        folder.resolve("tiny.gguf"),
                        Quantization.of("q4_0", 32, 0.5f).orElseThrow(),
                        List.of(),
                        Optional.of(texts),
                        512,
                        Method.GPTQ)
                .run(
                        TestConversion::kernels,
                        1L << 30,
                        new Terminal(new PrintStream(shown, true, UTF_8), true));
        String text = shown.toString(UTF_8);
        assertTrue(text.contains("\r\u001b[Kwriting tiny.gguf ["), text);
        assertTrue(text.endsWith("\r\u001b[K"), "the bar is cleared");
    }

    /// Taps of convolutions and what chooses experts stay.
    @ParameterizedTest
    @CsvSource({
        "falcon, 8",
        "gpt-neox, 8",
        "gptbigcode, 8",
        "granite-hybrid, 14",
        "granitemoeshared, 36",
        "lfm2, 17"
    })
    void aFamilyWithNamesOfItsOwnRunsNearItsSource(String name, int quantized) {
        Path source = RECORDED.resolve(name);
        Path target = folder.resolve("fp8");
        List<String> report = convertFolder(source, target, "fp8", 32, Optional.empty());
        assertTrue(
                report.getFirst().contains(": %d tensors as fp8".formatted(quantized)),
                report::toString);
        assertArrayEquals(
                TestConversion.logits(source, TestConversion.SHORT_IDS),
                TestConversion.logits(target, TestConversion.SHORT_IDS),
                0.5f);
    }

    @Test
    void theLayersOfAnEncoderAreQuantized() {
        Path source = RECORDED.resolveSibling("encoders").resolve("bert");
        Path target = folder.resolve("encoder");
        List<String> report = convertFolder(source, target, "int8", 32, Optional.empty());
        assertTrue(report.getFirst().contains(": 12 tensors as int8"), report::toString);
        LocalModel.load(
                        ModelSource.open(target),
                        TestConversion.kernels(),
                        16,
                        LoadSettings.Progress.none())
                .close();
    }

    @ParameterizedTest
    @CsvSource({
        "gpt2, '', GPT2LMHeadModel has transposed matrices",
        "llama, *, no matrix would be quantized"
    })
    void aFolderThatWouldStayAsItIsIsRefused(String name, String keep, String expected) {
        Path source = Fixtures.require("models/" + name);
        Path target = folder.resolve("same");
        var conversion =
                new Conversion(
                        source,
                        target,
                        Quantization.of("int8", 32, 0.5f).orElseThrow(),
                        keep.isEmpty() ? List.of() : List.of(keep),
                        Optional.empty(),
                        512,
                        Method.ROUND);
        String refusal =
                assertThrows(
                                CheckpointException.class,
                                () ->
                                        conversion.run(
                                                TestConversion::kernels,
                                                1L << 30,
                                                TestConversion.quiet()))
                        .getMessage();
        assertTrue(String.valueOf(refusal).startsWith(source + ": " + expected), refusal);
        assertTrue(Files.notExists(target));
    }

    @Test
    void aQuantizedFolderKeepsTheModulesOfItsVectors() throws Exception {
        Path source = folder.resolve("sentences");
        TinyCheckpoint.write(source, 1);
        Files.writeString(
                source.resolve("modules.json"),
                """
                [{"path": "", "type": "sentence_transformers.models.Transformer"},
                 {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                 {"path": "2_Dense", "type": "sentence_transformers.models.Dense"},
                 {"path": "3_Normalize", "type": "sentence_transformers.models.Normalize"}]
                """);
        Files.createDirectory(source.resolve("1_Pooling"));
        Files.writeString(
                source.resolve("1_Pooling").resolve("config.json"), "{\"pooling_mode\": \"mean\"}");
        TinyCheckpoint.write(
                source.resolve("2_Dense"),
                7,
                "{\"in_features\": 64, \"out_features\": 2, \"bias\": false}",
                Map.of("linear.weight", List.of(2L, 64L)));
        Path target = folder.resolve("quantized");
        convertFolder(source, target, "int8", 32, Optional.empty());
        SentenceModel.Vectors expected = vectors(source);
        SentenceModel.Vectors actual = vectors(target);
        assertEquals(expected.pooling(), actual.pooling());
        assertTrue(actual.normalize());
        assertArrayEquals(expected.dense().getFirst().weight(), actual.dense().getFirst().weight());
    }

    private static SentenceModel.Vectors vectors(Path path) {
        return assertInstanceOf(
                SentenceModel.Vectors.class, Checkpoint.open(path).sentenceModel().output());
    }

    @Test
    void anInterruptedFolderGoesOnAndIsEqual() throws Exception {
        Path source = Fixtures.require("models/llama");
        Path whole = folder.resolve("whole");
        Path resumed = folder.resolve("resumed");
        convertFolder(source, whole, "int4", 32, Optional.empty());
        byte[] bytes = Files.readAllBytes(whole.resolve("model.safetensors"));
        Files.createDirectory(resumed);
        Files.write(
                resumed.resolve("model.safetensors.partial"),
                Arrays.copyOf(bytes, bytes.length / 2));
        convertFolder(source, resumed, "int4", 32, Optional.empty());
        assertArrayEquals(bytes, Files.readAllBytes(resumed.resolve("model.safetensors")));
    }

    @Test
    void aCalibratedModelIsWrittenEquallyByAnyPasses() throws Exception {
        Path text = TestConversion.text(folder);
        Path inOnePass = folder.resolve("one.gguf");
        Path inPasses = folder.resolve("passes.gguf");
        convert(inOnePass, "q4_0", Optional.of(text), List.of());
        convert(source(), inPasses, "q4_0", Optional.of(text), List.of(), 1);
        Path plain = folder.resolve("plain.gguf");
        convert(plain, "q4_0", Optional.empty(), List.of());
        assertEquals(-1, differsFrom(inOnePass, inPasses));
        assertTrue(differsFrom(inOnePass, plain) >= 0);
    }

    /// Scales of columns and their divisors cancel: bytes keep the model near, int4 too.
    @ParameterizedTest
    @CsvSource({
        "llama, int8, 0.3",
        "llama, int4, 3",
        "qwen2, int8, 0.3",
        "phi3, int8, 0.3",
        "gemma2, int8, 0.3",
        "gemma3, int8, 0.3"
    })
    void scaledColumnsAndTheirDivisorsCancel(String name, String type, float bound)
            throws Exception {
        Path source = Fixtures.require("models/" + name);
        Path target = folder.resolve("awq");
        convertFolder(
                source, target, type, 32, Optional.of(TestConversion.text(folder)), Method.AWQ);
        Path rounded = folder.resolve("rounded");
        convertFolder(source, rounded, type, 32, Optional.empty());
        assertTrue(
                differsFrom(
                                target.resolve("model.safetensors"),
                                rounded.resolve("model.safetensors"))
                        >= 0);
        String norm = "model.layers.0.input_layernorm.weight";
        assertTrue(
                Checkpoint.open(source).tensor(norm).floats(0, 1)[0]
                        != Checkpoint.open(target).tensor(norm).floats(0, 1)[0]);
        float[] expected = logits(source);
        float[] actual = logits(target);
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], actual[i], bound, "logit " + i);
        }
    }

    /// As many heads of keys and values as of queries: each column of o reads a row of v of its
    /// own.
    @Test
    void theRowsOfValuesTakeTheDivisorsOfTheOutputProjection() throws Exception {
        Path source = folder.resolve("heads");
        TinyCheckpoint.write(source, 1);
        Path target = folder.resolve("awq");
        Path text = TestConversion.text(folder);
        List<String> grouped =
                convertFolder(source, target, "int8", 32, Optional.of(text), Method.AWQ);
        assertTrue(
                grouped.getLast().startsWith("2 matrices, such as model.layers.0.self_attn.o_proj"),
                grouped::toString);
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        shapes.put("model.embed_tokens.weight", List.of(512L, 64L));
        for (String matrix : List.of("q", "k", "v", "o")) {
            String name = "model.layers.0.self_attn.%s_proj".formatted(matrix);
            shapes.put(name + ".weight", List.of(64L, 64L));
            shapes.put(name + ".bias", List.of(64L));
        }
        shapes.put("model.layers.0.mlp.gate_proj.weight", List.of(128L, 64L));
        shapes.put("model.layers.0.mlp.up_proj.weight", List.of(128L, 64L));
        shapes.put("model.layers.0.mlp.down_proj.weight", List.of(64L, 128L));
        shapes.put("model.layers.0.input_layernorm.weight", List.of(64L));
        shapes.put("model.layers.0.post_attention_layernorm.weight", List.of(64L));
        shapes.put("model.norm.weight", List.of(64L));
        String config =
                """
                {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": true,
                 "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "head_dim": 16,
                 "num_key_value_heads": 4, "intermediate_size": 128, "vocab_size": 512,
                 "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
                 "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2}
                """;
        TinyCheckpoint.write(source, 3, config, shapes);
        Path equal = folder.resolve("equal");
        List<String> report =
                convertFolder(source, equal, "int8", 32, Optional.of(text), Method.AWQ);
        assertEquals(1, report.size(), report::toString);
        String bias = "model.layers.0.self_attn.v_proj.bias";
        assertFalse(
                Arrays.equals(
                        Checkpoint.open(source).tensor(bias).floats(0, 64),
                        Checkpoint.open(equal).tensor(bias).floats(0, 64)));
        assertArrayEquals(
                TestConversion.logits(source, TestConversion.SHORT_IDS),
                TestConversion.logits(equal, TestConversion.SHORT_IDS),
                0.05f);
    }

    /// Norms multiply by 1 plus their weights; a file stores the sum.
    @Test
    void scaledNormsOfOnePlusTheirWeightsBecomeSumsInAFile() throws Exception {
        Path source = Fixtures.require("models/gemma3");
        Path target = folder.resolve("gemma3.gguf");
        new Conversion(
                        source,
                        target,
                        Quantization.of("q8_0", 32, 0.5f).orElseThrow(),
                        List.of(),
                        Optional.of(TestConversion.text(folder)),
                        512,
                        Method.AWQ)
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
        String norm = "model.layers.1.pre_feedforward_layernorm.weight";
        float sum = Checkpoint.open(source).tensor(norm).floats(0, 1)[0] + 1;
        assertTrue(sum != Checkpoint.open(target).tensor(norm).floats(0, 1)[0]);
        assertArrayEquals(logits(source), logits(target), 0.3f);
    }

    @Test
    void aFileWithScaledColumnsRunsNearItsSource() throws Exception {
        Path target = folder.resolve("awq.gguf");
        new Conversion(
                        source(),
                        target,
                        Quantization.of("q8_0", 32, 0.5f).orElseThrow(),
                        List.of(),
                        Optional.of(TestConversion.text(folder)),
                        512,
                        Method.AWQ)
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
        String norm = "model.layers.1.post_attention_layernorm.weight";
        assertTrue(
                Checkpoint.open(source()).tensor(norm).floats(0, 1)[0]
                        != Checkpoint.open(target).tensor(norm).floats(0, 1)[0]);
        assertArrayEquals(logits(source()), logits(target), 0.2f);
    }

    @Test
    void aKeptMatrixIsNotScaled() throws Exception {
        Path source = Fixtures.require("models/llama");
        Path target = folder.resolve("kept");
        new Conversion(
                        source,
                        target,
                        Quantization.of("int8", 32, 0.5f).orElseThrow(),
                        List.of("*.up_proj.weight"),
                        Optional.of(TestConversion.text(folder)),
                        512,
                        Method.AWQ)
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
        String up = "model.layers.1.mlp.up_proj.weight";
        assertArrayEquals(
                Checkpoint.open(source).tensor(up).data().toArray(ValueLayout.JAVA_BYTE),
                Checkpoint.open(target).tensor(up).data().toArray(ValueLayout.JAVA_BYTE));
        assertArrayEquals(logits(source), logits(target), 0.3f);
    }

    @Test
    void scalesAreRefusedForFamiliesWithOtherNorms() {
        Path source = Fixtures.require("models/olmo2");
        String refusal =
                assertThrows(
                                UnusableException.class,
                                () ->
                                        convertFolder(
                                                source,
                                                folder.resolve("x"),
                                                "int4",
                                                32,
                                                Optional.of(TestConversion.text(folder)),
                                                Method.AWQ))
                        .getMessage();
        assertTrue(
                String.valueOf(refusal).startsWith("--method=awq: Olmo2ForCausalLM is none of"),
                refusal);
        assertTrue(Files.notExists(folder.resolve("x")));
    }

    @Test
    void keptTensorsStayAsTheyAre() {
        Path target = folder.resolve("kept.gguf");
        convert(target, "q4_0", Optional.empty(), List.of("lm_head*", "*.o_proj.weight"));
        Checkpoint read = Checkpoint.open(target);
        assertEquals(TensorType.F32, read.tensor("lm_head.weight").type());
        assertEquals(TensorType.F32, read.tensor("model.layers.0.self_attn.o_proj.weight").type());
        assertEquals(TensorType.Q4_0, read.tensor("model.layers.0.self_attn.q_proj.weight").type());
    }

    @Test
    void aPatternThatNamesNoTensorIsRefused() {
        Path target = folder.resolve("kept.gguf");
        assertEquals(
                "--keep=*.w1.weight names no tensor of " + source(),
                assertThrows(
                                UnusableException.class,
                                () ->
                                        convert(
                                                target,
                                                "q4_0",
                                                Optional.empty(),
                                                List.of("lm_head*", "*.w1.weight")))
                        .getMessage());
        assertTrue(Files.notExists(folder.resolve("kept.gguf.partial")));
    }

    @Test
    void anExistingTargetIsRefused() throws Exception {
        Path source = source();
        Path target = Files.createFile(folder.resolve("there.gguf"));
        assertEquals(
                target + " exists: remove it first",
                assertThrows(
                                UnusableException.class,
                                () ->
                                        convert(
                                                source,
                                                target,
                                                "q4_0",
                                                Optional.empty(),
                                                List.of(),
                                                1L << 30))
                        .getMessage());
    }

    @Test
    void aLineWithoutTextIsRefusedByItsNumber() throws Exception {
        Path source = source();
        Path text = Files.writeString(folder.resolve("t.jsonl"), "{\"text\": \"a\"}\n{}\n");
        assertEquals(
                "--calibrate=%s, line 2 has no \"text\"".formatted(text),
                assertThrows(
                                UnusableException.class,
                                () ->
                                        convert(
                                                source,
                                                folder.resolve("x.gguf"),
                                                "q4_0",
                                                Optional.of(text),
                                                List.of(),
                                                1L << 30))
                        .getMessage());
    }

    private static Path source() {
        return Fixtures.require("gguf/llama-F32.gguf");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "cross-encoders/bert",
                "cross-encoders/distilbert",
                "cross-encoders/modernbert",
                "cross-encoders/roberta"
            })
    void headsOfScoresStayAsTheyAre(String name) {
        Path source = RECORDED.resolveSibling(name);
        Path target = folder.resolve("scores");
        convertFolder(source, target, "int8", 32, Optional.empty());
        requireQuantized(target);
        float[] state = new float[Checkpoint.open(target).config().hiddenSize()];
        for (int i = 0; i < state.length; i++) {
            state[i] = (i % 7 - 3) / 4f;
        }
        assertEquals(score(source, state), score(target, state));
    }

    private static double score(Path path, float[] state) {
        return ((SentenceModel.Score) Checkpoint.open(path).sentenceModel().output()).of(state);
    }

    @ParameterizedTest
    @CsvSource({
        "encoders/gguf-bert/model.gguf, q8_0, embeddings.token_type_embeddings.weight",
        "encoders/gguf-bert/model.gguf, q8_0, embeddings.position_embeddings.weight",
        "references/gemma4-moe, int8, model.layers.1.router.proj.weight"
    })
    void routersPositionsAndTokenTypesStayAsTheyAre(String name, String type, String tensor) {
        Path source = RECORDED.resolveSibling(name);
        Path target = folder.resolve("kept." + type);
        convert(source, target, type, Optional.empty(), List.of(), 1L << 30);
        requireQuantized(target);
        assertEquals(
                Checkpoint.open(source).tensor(tensor).type(),
                Checkpoint.open(target).tensor(tensor).type());
        assertTrue(Checkpoint.open(target).tensor(tensor).decoder().isEmpty());
    }

    /// Requires a model that can be loaded and has quantized matrices.
    private static void requireQuantized(Path target) {
        Checkpoint checkpoint = Checkpoint.open(target);
        ModelSource.open(target).requireLoadable(1);
        assertTrue(
                checkpoint.tensorNames().stream()
                        .anyMatch(
                                name ->
                                        name.endsWith("weight_scale")
                                                || checkpoint.tensor(name).type().isQuantized()));
    }

    @Test
    void aModelWithoutAnOutputHeadIsCalibrated() throws Exception {
        Path source = folder.resolve("base");
        TinyCheckpoint.write(source, 1);
        Path config = source.resolve("config.json");
        Files.writeString(
                config, Files.readString(config).replace("LlamaForCausalLM", "LlamaModel"));
        List<String> report =
                convertFolder(
                        source,
                        folder.resolve("calibrated"),
                        "int8",
                        32,
                        Optional.of(TestConversion.text(folder)));
        assertEquals(1, report.size(), report::toString);
    }

    private List<String> convert(Path target, String type, Optional<Path> text, List<String> keep) {
        return convert(source(), target, type, text, keep, 1L << 30);
    }

    private static List<String> convert(
            Path source,
            Path target,
            String type,
            Optional<Path> text,
            List<String> keep,
            long maxBytes) {
        return new Conversion(
                        source,
                        target,
                        Quantization.of(type, 32, 0.5f).orElseThrow(),
                        keep,
                        text,
                        512,
                        text.isPresent() ? Method.GPTQ : Method.ROUND)
                .run(TestConversion::kernels, maxBytes, TestConversion.quiet());
    }

    private static List<String> convertFolder(
            Path source, Path target, String type, int groupSize, Optional<Path> text) {
        Method method = text.isPresent() ? Method.GPTQ : Method.ROUND;
        return convertFolder(source, target, type, groupSize, text, method);
    }

    private static List<String> convertFolder(
            Path source,
            Path target,
            String type,
            int groupSize,
            Optional<Path> text,
            Method method) {
        return new Conversion(
                        source,
                        target,
                        Quantization.of(type, groupSize, 0.5f).orElseThrow(),
                        List.of(),
                        text,
                        512,
                        method)
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
    }

    private static float[] logits(Path path) {
        return TestConversion.logits(path, PROMPT);
    }

    /// Returns the first byte of the data in which the files differ; -1 if they are equal. What the
    /// header says of the settings is not compared.
    private static int differsFrom(Path first, Path second) throws Exception {
        byte[] a = Files.readAllBytes(first);
        byte[] b = Files.readAllBytes(second);
        // The data is at the end; 400,000 bytes are most of it.
        int compared = 400_000;
        return Arrays.mismatch(
                Arrays.copyOfRange(a, a.length - compared, a.length),
                Arrays.copyOfRange(b, b.length - compared, b.length));
    }
}
