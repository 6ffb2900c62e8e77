// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cli.launch.Launcher;
import dev.lockstep.cli.launch.LauncherConfig;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.kernels.DeviceCapabilities;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/// Models that cannot be served: `inspect` and `serve` refuse each with the same line, before a
/// process starts.
class ModelRefusalTest {
    private static final String WEIGHTS = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";
    private static final DeviceCapabilities CPU = DeviceCapabilities.ofCpu("vector_api", false);

    @TempDir Path folder;

    /// Breaks the model in a folder.
    @FunctionalInterface
    private interface Fault {
        void breakModel(Path model) throws IOException;
    }

    /// @param inConfiguration whether another download would not help
    /// @param words that the line has
    private record Case(String name, Fault fault, boolean inConfiguration, List<String> words) {}

    private static final List<Case> CASES =
            List.of(
                    broken("truncated weights", model -> cut(model.resolve(WEIGHTS)), "truncated"),
                    broken(
                            "corrupt weights",
                            model -> Files.writeString(model.resolve(WEIGHTS), "no safetensors"),
                            WEIGHTS,
                            "download it again"),
                    broken("no weights", model -> Files.delete(model.resolve(WEIGHTS)), WEIGHTS),
                    broken(
                            "an index of other files beside the whole model",
                            model -> Files.writeString(model.resolve(INDEX), staleIndex()),
                            INDEX,
                            "model-00001-of-00002.safetensors",
                            "remove the index"),
                    configured("a NaN", "\"rope_theta\":10000.0", "\"rope_theta\":NaN", "NaN"),
                    configured(
                            "an infinite number",
                            "\"rope_theta\":10000.0",
                            "\"rope_theta\":Infinity",
                            "rope_theta is Infinity"),
                    configured(
                            "a missing key",
                            "\"vocab_size\"",
                            "\"x\"",
                            "key vocab_size is missing"),
                    configured(
                            "an unknown architecture without a key",
                            "\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_size\"",
                            "\"MambaForCausalLM\"],\"x\"",
                            "architecture MambaForCausalLM is not supported"),
                    configured(
                            "an unknown key of a rope",
                            "\"rope_scaling\":null",
                            "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4,\"llama_4_scaling_beta\":0.1}",
                            "rope_scaling.llama_4_scaling_beta is 0.1"),
                    configured(
                            "a tensor of another shape",
                            "\"intermediate_size\":128",
                            "\"intermediate_size\":96",
                            "mlp.gate_proj.weight is [128, 64], the configuration needs [96, 64]"),
                    configured(
                            "a missing tensor",
                            "\"num_hidden_layers\":2",
                            "\"num_hidden_layers\":3",
                            "tensor model.layers.2.input_layernorm.weight is missing"),
                    broken(
                            "a whole model without its head",
                            model -> writeWithoutHead(model, "LlamaForCausalLM", "model."),
                            "tensor lm_head.weight is missing: only a base model"),
                    broken(
                            "a pooling of two modes",
                            ModelRefusalTest::writePooling,
                            "pooling_mode is mean with max"),
                    broken(
                            "a classifier without its head",
                            model ->
                                    writeWithoutHead(
                                            model, "LlamaForSequenceClassification", "model."),
                            "tensor score.weight is missing"),
                    broken(
                            "a cross-encoder of three labels",
                            ModelRefusalTest::writeThreeLabels,
                            "tensor classifier.weight is [3, 64], a reranker has one score"),
                    broken(
                            "a broken tokenizer",
                            model -> Files.writeString(model.resolve("tokenizer.json"), "{}"),
                            "tokenizer.json"));

    private static void writeThreeLabels(Path model) throws IOException {
        TinyCheckpoint.write(
                model,
                1,
                """
                {"architectures":["BertForSequenceClassification"],"model_type":"bert","hidden_size":64,
                 "intermediate_size":64,"num_hidden_layers":1,"num_attention_heads":4,"vocab_size":512,
                 "max_position_embeddings":64,"layer_norm_eps":1e-12}
                """,
                Map.of(
                        "bert.pooler.dense.weight", List.of(64L, 64L),
                        "bert.pooler.dense.bias", List.of(64L),
                        "classifier.weight", List.of(3L, 64L),
                        "classifier.bias", List.of(3L)));
    }

    @TestFactory
    Stream<DynamicTest> inspectAndServeRefuseWithTheSameLine() {
        return CASES.stream()
                .map(each -> DynamicTest.dynamicTest(each.name(), () -> requireRefused(each)));
    }

    private void requireRefused(Case each) throws IOException {
        Path model = folder.resolve(each.name().replace(' ', '-'));
        TinyCheckpoint.write(model, 1);
        each.fault().breakModel(model);
        String line = inspected(model, 1);
        assertTrue(line.contains(model.toString()), line);
        assertFalse(line.contains("\n"), line);
        for (String word : each.words()) {
            assertTrue(line.contains(word), () -> "no \"" + word + "\" in: " + line);
        }
        assertFalse(each.inConfiguration() && line.contains("download"), line);
        if (!each.name().contains("tokenizer")) {
            assertEquals(line, served(model, 1));
        }
    }

    @Test
    void moreRanksThanHeadsAreRefusedWithTheSameLine() throws IOException {
        TinyCheckpoint.write(folder, 1);
        assertEquals(served(folder, 5), inspected(folder, 5));
    }

    @Test
    void aBaseModelWithoutAHeadIsNotRefused() throws IOException {
        for (String architecture : List.of("LlamaModel", "LlamaForCausalLM")) {
            Path model = folder.resolve(architecture);
            writeWithoutHead(model, architecture, "");
            Inspection inspection = Inspection.of(model, 2, "auto", CPU);
            assertEquals(Optional.empty(), inspection.refusal());
            assertTrue(inspection.text().contains("no output"), inspection.text());
        }
    }

    @Test
    void aBaseModelWhoseHeadIsItsEmbeddingIsNotRefused() throws IOException {
        writeWithoutHead(folder, "LlamaModel", "");
        Path config = folder.resolve("config.json");
        Files.writeString(
                config,
                Files.readString(config).replace("embeddings\":false", "embeddings\":true"));
        assertEquals(Optional.empty(), Inspection.of(folder, 2, "auto", CPU).refusal());
    }

    private static String inspected(Path model, int ranks) {
        try {
            return Inspection.of(model, ranks, "auto", CPU).refusal().orElse("not refused");
        } catch (RuntimeException e) {
            return String.valueOf(e.getMessage());
        }
    }

    /// Returns the line with which a launcher refuses to start.
    private String served(Path model, int ranks) {
        return launchFailure(model, folder, "--tensor-parallel=" + ranks);
    }

    /// Returns why no launcher can be created for a model on CPUs.
    ///
    /// @param runFolder of the launcher
    static String launchFailure(Path model, Path runFolder, String setting) {
        var config =
                new LauncherConfig(
                        Settings.parse(
                                LauncherConfig.SPEC, List.of("--device=cpu", setting), Map.of()),
                        new ModelChoice(model, "m"),
                        0,
                        Optional.empty(),
                        runFolder,
                        runFolder,
                        Optional.empty());
        var terminal = new Terminal(new PrintStream(OutputStream.nullOutputStream()), false);
        return String.valueOf(
                assertThrows(RuntimeException.class, () -> new Launcher(config, terminal, _ -> {}))
                        .getMessage());
    }

    private static Case broken(String name, Fault fault, String... words) {
        return new Case(name, fault, false, List.of(words));
    }

    private static Case configured(String name, String from, String to, String... words) {
        return new Case(
                name,
                model -> {
                    Path config = model.resolve("config.json");
                    String text = Files.readString(config).replaceAll("\\s*([:,\\[\\]])\\s*", "$1");
                    assertTrue(text.contains(from), text);
                    Files.writeString(config, text.replace(from, to));
                },
                true,
                List.of(words));
    }

    private static void cut(Path file) throws IOException {
        byte[] whole = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(whole, whole.length / 2));
    }

    private static String staleIndex() {
        return "{\"weight_map\": {\"model.norm.weight\": \"model-00001-of-00002.safetensors\"}}";
    }

    private static void writePooling(Path model) throws IOException {
        Files.writeString(
                model.resolve("modules.json"),
                """
                [{"path": "", "type": "sentence_transformers.models.Transformer"},
                 {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]
                """);
        Files.createDirectories(model.resolve("1_Pooling"));
        Files.writeString(
                model.resolve("1_Pooling/config.json"), "{\"pooling_mode\": [\"mean\", \"max\"]}");
    }

    /// Writes the same model without its head.
    ///
    /// @param prefix of the names of its tensors: that of the whole model, or none
    private static void writeWithoutHead(Path model, String architecture, String prefix)
            throws IOException {
        TinyCheckpoint.write(model, 1);
        String config = Files.readString(model.resolve("config.json"));
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        shapes.put(prefix + "embed_tokens.weight", List.of(512L, 64L));
        shapes.put(prefix + "norm.weight", List.of(64L));
        for (int layer = 0; layer < TinyCheckpoint.LAYERS; layer++) {
            String own = prefix + "layers." + layer + ".";
            shapes.put(own + "input_layernorm.weight", List.of(64L));
            shapes.put(own + "self_attn.q_proj.weight", List.of(64L, 64L));
            shapes.put(own + "self_attn.k_proj.weight", List.of(32L, 64L));
            shapes.put(own + "self_attn.v_proj.weight", List.of(32L, 64L));
            shapes.put(own + "self_attn.o_proj.weight", List.of(64L, 64L));
            shapes.put(own + "post_attention_layernorm.weight", List.of(64L));
            shapes.put(own + "mlp.gate_proj.weight", List.of(128L, 64L));
            shapes.put(own + "mlp.up_proj.weight", List.of(128L, 64L));
            shapes.put(own + "mlp.down_proj.weight", List.of(64L, 128L));
        }
        String base = config.replace("LlamaForCausalLM", architecture);
        TinyCheckpoint.write(model, 1, base.replaceAll("\\s*([:,])\\s*", "$1"), shapes);
    }
}
