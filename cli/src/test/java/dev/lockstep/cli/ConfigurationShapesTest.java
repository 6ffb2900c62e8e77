// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.model.ModelSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The configurations of all recorded models, in both layouts, each changed in several ways:
/// `inspect` must name the same reason as the check of `serve`, in one line.
@Tag("sweep")
class ConfigurationShapesTest {
    private static final Path REFERENCES =
            Path.of("..", "model", "src", "test", "resources", "references");
    private static final DeviceCapabilities CPU = DeviceCapabilities.ofCpu("vector_api", false);
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String UNKNOWN = "NobodyForCausalLM";

    @TempDir Path folder;

    /// A change of a configuration.
    ///
    /// @param refused part of the line, empty if the model may run
    private record Change(String name, String refused) {

        void apply(ObjectNode config) {
            ObjectNode text =
                    config.has("text_config") ? (ObjectNode) config.get("text_config") : config;
            switch (name) {
                case "none" -> {
                    // as recorded
                }
                case "unknown architecture" ->
                        config.put("mixer", "spiral").putArray("architectures").add(UNKNOWN);
                case "unknown rope key" -> rope(text).put("frequency_bend", 0.5);
                case "unknown rope type" -> rope(text).put("rope_type", "spiral").remove("type");
                case "heads" -> text.put("num_attention_heads", 3).put("num_key_value_heads", 2);
                case "layers" -> text.put("num_hidden_layers", "two");
                case "vocabulary" -> text.put("vocab_size", 97);
                case "bidirectional" -> text.put("use_bidirectional_attention", true);
                case "not causal" -> text.put("is_causal", false);
                default -> throw new IllegalArgumentException(name);
            }
        }

        private static ObjectNode rope(ObjectNode text) {
            for (String key : List.of("rope_parameters", "rope_scaling")) {
                if (text.path(key).isObject()) {
                    ObjectNode rope = (ObjectNode) text.get(key);
                    return rope.path("full_attention").isObject()
                            ? (ObjectNode) rope.get("full_attention")
                            : rope;
                }
            }
            return text.putObject("rope_scaling").put("rope_type", "default");
        }
    }

    private static final List<Change> CHANGES =
            List.of(
                    new Change("none", ""),
                    new Change("unknown architecture", UNKNOWN),
                    new Change("unknown rope key", "frequency_bend is 0.5"),
                    new Change("unknown rope type", "rope_type is spiral"),
                    // Latent attention has no heads of keys.
                    new Change("heads", "num_key_value_heads is 2|kv_b_proj|num_attention_heads 3"),
                    new Change("layers", "num_hidden_layers is \"two\""),
                    new Change("vocabulary", "embed_tokens|embeddings|embed_in"),
                    new Change("bidirectional", "use_bidirectional_attention is true"),
                    new Change("not causal", "is_causal is false"));

    @Test
    void inspectAndServeNameTheSameReason() throws IOException {
        int checked = 0;
        for (Path model : models()) {
            for (String layout : List.of("config.json", "config-older.json")) {
                for (Change change : CHANGES) {
                    check(model, layout, change, folder.resolve("model" + checked++));
                }
            }
        }
        assertTrue(checked >= 300, checked + " configurations");
    }

    private static void check(Path model, String layout, Change change, Path copy)
            throws IOException {
        Files.createDirectory(copy);
        Files.copy(model.resolve("model.safetensors"), copy.resolve("model.safetensors"));
        var config = (ObjectNode) JSON.readTree(Files.readAllBytes(model.resolve(layout)));
        change.apply(config);
        Files.writeString(copy.resolve("config.json"), config.toString());
        String what = "%s, %s, %s".formatted(model.getFileName(), layout, change.name());
        Optional<String> served = refusal(copy);
        assertEquals(served, Inspection.of(copy, 1, "auto", CPU).refusal(), what);
        assertEquals(change.refused().isEmpty(), served.isEmpty(), () -> what + ": " + served);
        served.ifPresent(
                line -> {
                    assertTrue(
                            Arrays.stream(change.refused().split("\\|", -1))
                                    .anyMatch(line::contains),
                            () -> what + ": " + line);
                    assertTrue(line.startsWith(copy.toString()), line);
                    assertFalse(line.contains("\n") || line.contains("download"), line);
                });
    }

    /// Returns the line of the check that `serve` makes before it starts a process.
    private static Optional<String> refusal(Path model) {
        try {
            ModelSource.open(model).requireLoadable(1).computeTypes("auto", "auto", CPU);
            return Optional.empty();
        } catch (CheckpointException e) {
            return Optional.of(e.getMessage());
        }
    }

    /// Returns the folders in Hugging Face layout with one file of weights and rope.
    private static List<Path> models() throws IOException {
        List<Path> models = new ArrayList<>();
        try (Stream<Path> folders = Files.list(REFERENCES)) {
            for (Path folder : folders.sorted().toList()) {
                if (Files.exists(folder.resolve("model.safetensors"))
                        && Files.exists(folder.resolve("config-older.json"))
                        && !folder.endsWith("gptbigcode")
                        && !folder.endsWith("generic-decoder")) {
                    models.add(folder);
                }
            }
        }
        return models;
    }
}
