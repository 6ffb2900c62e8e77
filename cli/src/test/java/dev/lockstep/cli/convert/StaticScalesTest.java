// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.CompressedLayout;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.model.LoadSettings;
import dev.lockstep.model.LocalModel;
import dev.lockstep.model.ModelSource;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Folders of FP8 with scales of activations, and of keys and values, that texts fixed.
@Tag("sweep")
class StaticScalesTest {
    private static final int[] PROMPT = {5, 77, 412, 130, 9, 41, 800, 3};

    @TempDir Path folder;

    @Test
    void theConfigurationSaysThatScalesAreFixed() throws Exception {
        Path target = convert("llama", true, true, texts());
        JsonNode config = config(target);
        JsonNode activations = config.at("/config_groups/group_0/input_activations");
        for (JsonNode each : List.of(activations, config.get("kv_cache_scheme"))) {
            assertEquals("float", each.get("type").asText());
            assertEquals("tensor", each.get("strategy").asText());
            assertEquals(8, each.get("num_bits").intValue());
            assertFalse(each.get("dynamic").asBoolean());
        }
        JsonNode header = header(target);
        assertEquals(21, names(header, ".input_scale"));
        assertEquals(6, names(header, "self_attn.k_scale") + names(header, "self_attn.v_scale"));
        // Matrices with the same inputs have the same scale.
        assertEquals(
                scale(target, "model.layers.0.self_attn.q_proj.input_scale"),
                scale(target, "model.layers.0.self_attn.v_proj.input_scale"));
    }

    @ParameterizedTest
    @CsvSource({"true, false, 21, 0", "false, true, 0, 6"})
    void eachKindOfScaleIsWrittenAlone(boolean inputs, boolean cache, int first, int second)
            throws Exception {
        Path target = convert("llama", inputs, cache, texts());
        JsonNode header = header(target);
        assertEquals(first, names(header, ".input_scale"));
        assertEquals(second, names(header, ".k_scale") + names(header, ".v_scale"));
        assertEquals(
                !inputs,
                config(target).at("/config_groups/group_0/input_activations/dynamic").asBoolean());
        assertEquals(cache, config(target).has("kv_cache_scheme"));
    }

    /// The weights multiply bf16 or f32: scales of inputs change nothing that is computed.
    @Test
    void scalesOfInputsAreCarriedOnly() throws Exception {
        Path fixed = convert("llama", true, false, texts());
        Path plain = folder.resolve("plain");
        run("llama", plain, new Quantization.Folder(new CompressedLayout.Fp8()), Optional.empty());
        assertArrayEquals(logits(plain, "f32"), logits(fixed, "f32"));
    }

    @Test
    void anFp8CacheUsesTheScalesOfTheFolder() throws Exception {
        Path target = convert("llama", false, true, texts());
        assertTrue(ModelSource.open(target).hasCacheScales());
        assertTrue(Checkpoint.open(target).cacheScales().ofLayer(2, 2).isPresent());
        Path small = copy(target);
        for (int layer = 0; layer < 3; layer++) {
            for (String kind : List.of("k", "v")) {
                String name = "model.layers.%d.self_attn.%s_scale".formatted(layer, kind);
                setScale(small, name, scale(target, name) / 8);
            }
        }
        float[] exact = logits(target, "f32");
        double calibrated = distance(exact, logits(target, "fp8"));
        double cutOff = distance(exact, logits(small, "fp8"));
        assertTrue(calibrated < cutOff / 4, "%s and %s".formatted(calibrated, cutOff));
        // Other types of a cache do not use them.
        assertArrayEquals(exact, logits(small, "f32"));
    }

    @Test
    void anInterruptedFolderGoesOnAndIsEqual() throws Exception {
        Path whole = convert("llama", true, true, texts());
        byte[] bytes = Files.readAllBytes(whole.resolve("model.safetensors"));
        Path resumed = Files.createDirectory(folder.resolve("resumed"));
        for (int length : new int[] {bytes.length / 2, bytes.length - 6}) {
            Files.deleteIfExists(resumed.resolve("model.safetensors"));
            Files.write(resumed.resolve("model.safetensors.partial"), Arrays.copyOf(bytes, length));
            run("llama", resumed, fixed(true, true), Optional.of(texts()));
            assertArrayEquals(bytes, Files.readAllBytes(resumed.resolve("model.safetensors")));
        }
    }

    @Test
    void anExpertThatNoTokenChoseHasTheScaleOfTheOthers() throws Exception {
        Path text = Files.writeString(folder.resolve("one.jsonl"), "{\"text\": \"a\"}\n");
        Path target = folder.resolve("short");
        List<String> report = run("mixtral", target, fixed(true, false), Optional.of(text), 1);
        assertTrue(report.getLast().startsWith("54 matrices, such as model."), report::toString);
        float largest = 0;
        float[] scales = new float[8];
        for (int expert = 0; expert < 8; expert++) {
            String name =
                    "model.layers.1.block_sparse_moe.experts.%d.w2.input_scale".formatted(expert);
            scales[expert] = scale(target, name);
            largest = Math.max(largest, scales[expert]);
        }
        int equal = 0;
        for (float each : scales) {
            equal += each == largest ? 1 : 0;
        }
        assertEquals(7, equal);
    }

    @Test
    void latentAttentionHasNoScales() {
        Fixtures.require("models/deepseek-v3");
        String refusal =
                assertThrows(
                                UnusableException.class,
                                () -> convert("deepseek-v3", false, true, texts()))
                        .getMessage();
        assertEquals(
                "--kv-scales: DeepseekV3ForCausalLM keeps no keys and values of heads", refusal);
    }

    /// A token of latent attention stores no values.
    @Test
    void latentAttentionHasScalesOfInputs() throws Exception {
        Path target = convert("deepseek-v3", true, false, texts());
        assertTrue(names(header(target), ".input_scale") > 0);
        assertEquals(0, names(header(target), ".k_scale"));
    }

    /// The texts fix scales with any method.
    @Test
    void whatAnotherMethodLeftIsNotContinued() throws Exception {
        Path rounded = convert("llama", true, false, texts());
        Path other = folder.resolve("gptq");
        conversion("llama", other, Method.GPTQ)
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
        byte[] expected = Files.readAllBytes(rounded.resolve("model.safetensors"));
        byte[] gptq = Files.readAllBytes(other.resolve("model.safetensors"));
        Path resumed = Files.createDirectory(folder.resolve("resumed"));
        Files.write(
                resumed.resolve("model.safetensors.partial"),
                Arrays.copyOf(gptq, gptq.length * 2 / 3));
        run("llama", resumed, fixed(true, false), Optional.of(texts()));
        assertArrayEquals(expected, Files.readAllBytes(resumed.resolve("model.safetensors")));
        assertNotEquals(
                conversion("llama", other, Method.GPTQ).key(),
                conversion("llama", other, Method.ROUND).key());
    }

    private Conversion conversion(String name, Path target, Method method) throws Exception {
        return new Conversion(
                Fixtures.require("models/" + name),
                target,
                fixed(true, false),
                List.of(),
                Optional.of(texts()),
                512,
                method);
    }

    /// No kernels are opened.
    @Test
    void aSourceIsCheckedBeforeTextsAreComputed() throws Exception {
        assertRefused(Fixtures.require("models/gpt2"), "GPT2LMHeadModel has transposed matrices");
        Path quantized = folder.resolve("quantized");
        run("llama", quantized, Quantization.of("int8", 32, 0).orElseThrow(), Optional.empty());
        assertRefused(quantized, "is quantized already: convert the original model");
    }

    private void assertRefused(Path source, String expected) throws Exception {
        Path target = folder.resolve("refused");
        var conversion =
                new Conversion(
                        source,
                        target,
                        fixed(true, false),
                        List.of(),
                        Optional.of(texts()),
                        512,
                        Method.ROUND);
        String refusal =
                assertThrows(
                                CheckpointException.class,
                                () ->
                                        conversion.run(
                                                () -> {
                                                    throw new AssertionError("computes");
                                                },
                                                1L << 30,
                                                TestConversion.quiet()))
                        .getMessage();
        assertTrue(refusal.contains(expected), refusal);
        assertFalse(Files.exists(target));
    }

    private static Quantization fixed(boolean inputs, boolean cache) {
        return new Quantization.Folder(new CompressedLayout.Fp8(inputs), cache);
    }

    private Path convert(String name, boolean inputs, boolean cache, Path texts) {
        Path target = folder.resolve("fixed");
        run(name, target, fixed(inputs, cache), Optional.of(texts));
        return target;
    }

    private static List<String> run(
            String name, Path target, Quantization quantization, Optional<Path> texts) {
        return run(name, target, quantization, texts, 512);
    }

    private static List<String> run(
            String name, Path target, Quantization quantization, Optional<Path> texts, int tokens) {
        return new Conversion(
                        Fixtures.require("models/" + name),
                        target,
                        quantization,
                        List.of(),
                        texts,
                        tokens,
                        Method.ROUND)
                .run(
                        TestConversion::kernels,
                        1L << 30,
                        new Terminal(new PrintStream(new ByteArrayOutputStream()), false));
    }

    private Path texts() throws Exception {
        return Files.writeString(
                folder.resolve("texts.jsonl"),
                "{\"text\": \"%s\"}%n".formatted("one rank after the other ".repeat(20)));
    }

    private Path copy(Path target) throws Exception {
        Path copy = Files.createDirectory(folder.resolve("copy"));
        try (Stream<Path> files = Files.list(target)) {
            for (Path each : files.toList()) {
                Files.write(copy.resolve(each.getFileName()), Files.readAllBytes(each));
            }
        }
        return copy;
    }

    private static double distance(float[] x, float[] y) {
        double sum = 0;
        for (int i = 0; i < x.length; i++) {
            sum += (x[i] - y[i]) * (x[i] - y[i]);
        }
        return Math.sqrt(sum);
    }

    private static float[] logits(Path path, String kvDtype) {
        try (LocalModel model =
                LocalModel.load(
                        ModelSource.open(path),
                        TestConversion.kernels(),
                        16,
                        kvDtype,
                        LoadSettings.Progress.none())) {
            model.run(PROMPT);
            return model.logits(PROMPT.length - 1, PROMPT.length)[0];
        }
    }

    private static JsonNode config(Path target) throws Exception {
        return new ObjectMapper()
                .readTree(target.resolve("config.json").toFile())
                .get("quantization_config");
    }

    private static JsonNode header(Path target) throws Exception {
        byte[] bytes = Files.readAllBytes(target.resolve("model.safetensors"));
        return new ObjectMapper().readTree(bytes, Long.BYTES, headerBytes(bytes));
    }

    private static int headerBytes(byte[] file) {
        return (int) ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong();
    }

    private static int names(JsonNode header, String end) {
        return (int)
                header.properties().stream()
                        .filter(
                                each ->
                                        each.getKey().endsWith(end)
                                                && each.getValue().at("/shape/0").asInt() == 1)
                        .count();
    }

    private static int place(Path target, String name) throws Exception {
        byte[] file = Files.readAllBytes(target.resolve("model.safetensors"));
        return Long.BYTES
                + headerBytes(file)
                + header(target).get(name).at("/data_offsets/0").intValue();
    }

    private static float scale(Path target, String name) throws Exception {
        byte[] file = Files.readAllBytes(target.resolve("model.safetensors"));
        return ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getFloat(place(target, name));
    }

    private static void setScale(Path target, String name, float scale) throws Exception {
        byte[] file = Files.readAllBytes(target.resolve("model.safetensors"));
        ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).putFloat(place(target, name), scale);
        Files.write(target.resolve("model.safetensors"), file);
    }
}
