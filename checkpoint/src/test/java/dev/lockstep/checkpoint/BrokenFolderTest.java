// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests that an incomplete model folder is refused with one line that names the file.
class BrokenFolderTest {
    private static final String INDEX = "model.safetensors.index.json";

    @TempDir Path folder;

    @ParameterizedTest
    @CsvSource({
        "config.json, config.json",
        "model-00001-of-00003.safetensors, shard model-00001-of-00003.safetensors is missing",
        "model-00002-of-00003.safetensors, shard model-00002-of-00003.safetensors is missing",
        "model-00003-of-00003.safetensors, shard model-00003-of-00003.safetensors is missing",
        "model.safetensors.index.json, neither model.safetensors nor model.safetensors.index.json"
    })
    void aMissingFileIsNamed(String missing, String part) throws IOException {
        TinyCheckpoint.writeSharded(folder, 1, 3);
        Files.delete(folder.resolve(missing));
        Refused.naming(() -> Checkpoint.open(folder), folder.toString(), part);
    }

    @Test
    void anIndexOfMissingFilesBesideTheWholeModelIsNamed() throws IOException {
        TinyCheckpoint.writeSharded(folder, 1, 2);
        Files.delete(folder.resolve("model-00001-of-00002.safetensors"));
        Files.delete(folder.resolve("model-00002-of-00002.safetensors"));
        TinyCheckpoint.write(folder, 1);
        Refused.naming(
                () -> Checkpoint.open(folder),
                folder.resolve(INDEX).toString(),
                "names model-0000",
                "which is missing",
                "remove the index if model.safetensors is the whole model");
    }

    @Test
    void namesWithoutThePrefixOfTheWholeModelAreCompleted() throws IOException {
        TinyCheckpoint.write(
                folder,
                1,
                "{\"architectures\": [\"GPT2Model\"], \"n_layer\": 1, \"n_embd\": 8, \"n_head\": 2, \"n_inner\": 8, \"n_positions\": 8, \"vocab_size\": 4, \"layer_norm_epsilon\": 1e-5}",
                Map.of("wte.weight", List.of(4L, 8L), "h.0.ln_1.weight", List.of(8L)));
        assertEquals(
                Set.of("transformer.wte.weight", "transformer.h.0.ln_1.weight"),
                Checkpoint.open(folder).tensorNames());
    }

    @Test
    void aFaultOfTheConfigurationDoesNotAskForADownload() throws IOException {
        TinyCheckpoint.write(folder, 1);
        Path file = folder.resolve("config.json");
        Files.writeString(file, Files.readString(file).replace("\"vocab_size\"", "\"x\""));
        assertEquals(
                file + ": key vocab_size is missing",
                assertThrows(CheckpointException.class, () -> Checkpoint.open(folder))
                        .getMessage());
    }

    @Test
    void aFolderWithoutWeightsIsRefusedWithTheMissingFile() throws IOException {
        TinyCheckpoint.write(folder, 1);
        Files.delete(folder.resolve("model.safetensors"));
        Refused.naming(() -> Checkpoint.open(folder), folder.toString(), "model.safetensors");
    }

    @Test
    void filesNotNeededForWeightsMayBeMissing() throws IOException {
        TinyCheckpoint.write(folder, 1);
        for (String name :
                List.of("generation_config.json", "tokenizer.json", "tokenizer_config.json")) {
            Files.delete(folder.resolve(name));
            assertEquals(
                    TinyCheckpoint.LAYERS,
                    Checkpoint.open(folder).config().layerCount(),
                    "without " + name);
        }
    }

    @ParameterizedTest
    @MethodSource("cuts")
    void aFileCutAtAnyOfTwentyPlacesIsNamed(String name, int cut) throws IOException {
        TinyCheckpoint.writeSharded(folder, 1, 2);
        Path file = folder.resolve(name);
        byte[] whole = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(whole, whole.length * cut / 20));
        Refused.naming(() -> Checkpoint.open(folder), file.toString(), "download it again");
    }

    static Stream<Arguments> cuts() {
        List<String> files =
                List.of(
                        "config.json",
                        "generation_config.json",
                        INDEX,
                        "model-00001-of-00002.safetensors",
                        "model-00002-of-00002.safetensors");
        return files.stream()
                .flatMap(name -> IntStream.range(0, 20).mapToObj(cut -> Arguments.of(name, cut)));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"../model.safetensors\"",
                "\"/etc/model.safetensors\"",
                "\"C:\\\\model.safetensors\"",
                "\"..\\\\model.safetensors\"",
                "\"sub/model.safetensors\"",
                "\"..\"",
                "\"\"",
                "\"config.json\"",
                "\"model.safetensors\\u0000.safetensors\"",
                "7",
                "[\"model.safetensors\"]"
            })
    void anIndexMustNotNameFilesOutsideItsFolder(String shard) throws IOException {
        TinyCheckpoint.writeSharded(folder, 1, 2);
        Files.writeString(
                folder.resolve(INDEX),
                "{\"weight_map\": {\"model.norm.weight\": %s}}".formatted(shard));
        Refused.naming(
                () -> Checkpoint.open(folder),
                INDEX,
                "weight_map.model.norm.weight",
                "the name of a .safetensors file in the same folder");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '^',
            value = {
                "{} | weight_map is missing",
                "{\"weight_map\": 3} | weight_map is 3",
                "{\"weight_map\": {\"other\": \"model-00001-of-00002.safetensors\"}} | tensor other is not in model-00001-of-00002.safetensors",
                "[] | JSON object"
            })
    void aWrongIndexIsNamed(String index, String part) throws IOException {
        TinyCheckpoint.writeSharded(folder, 1, 2);
        Files.writeString(folder.resolve(INDEX), index);
        Refused.naming(() -> Checkpoint.open(folder), INDEX, part);
    }

    @Test
    void aHeaderOfTwoToThe63BytesIsRefusedInAFolderToo() throws IOException {
        TinyCheckpoint.write(folder, 1);
        Path file = folder.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(Long.MIN_VALUE);
        Files.write(file, bytes);
        Refused.naming(
                () -> Checkpoint.open(folder), file.toString(), "9223372036854775808", "limit");
    }

    @Test
    void aFolderInPlaceOfTheWeightsIsNamed() throws IOException {
        TinyCheckpoint.write(folder, 1);
        Files.delete(folder.resolve("model.safetensors"));
        Files.createDirectory(folder.resolve("model.safetensors"));
        Refused.naming(() -> Checkpoint.open(folder), "model.safetensors is a folder");
    }

    @Test
    void aFolderInPlaceOfTheConfigurationIsNamed() throws IOException {
        TinyCheckpoint.write(folder, 1);
        Files.delete(folder.resolve("config.json"));
        Files.createDirectory(folder.resolve("config.json"));
        Refused.naming(() -> Checkpoint.open(folder), "config.json");
    }

    @ParameterizedTest
    @CsvSource({
        "num_hidden_layers, 0",
        "num_hidden_layers, -1",
        "num_hidden_layers, 2147483647",
        "num_hidden_layers, 99999999999",
        "num_hidden_layers, 1.5",
        "num_hidden_layers, true",
        "num_hidden_layers, []",
        "hidden_size, 0",
        "hidden_size, 2147483647",
        "num_attention_heads, 0",
        "num_key_value_heads, 3",
        "num_key_value_heads, 0",
        "intermediate_size, -5",
        "vocab_size, 1e99",
        "max_position_embeddings, 0",
        "rms_norm_eps, NaN",
        "rms_norm_eps, 0",
        "rms_norm_eps, \"x\"",
        "eos_token_id, {}",
        "architectures, 4",
        "architectures, [null]",
        "rope_parameters, 4",
        "quantization_config, {}",
        "sliding_window, 0"
    })
    void anInvalidValueOfTheConfigurationIsNamed(String key, String value) throws IOException {
        TinyCheckpoint.write(folder, 1);
        Path file = folder.resolve("config.json");
        String config = Files.readString(file).stripTrailing();
        // Duplicate keys are refused, so the original entry is removed.
        String without =
                config.replaceAll(
                        "\"" + key + "\"\\s*:\\s*(\\[[^\\]]*\\]|\\{[^}]*\\}|[^,}\\s]+)\\s*,?", "");
        Files.writeString(file, "{\"%s\": %s, %s".formatted(key, value, without.substring(1)));
        Refused.naming(() -> Checkpoint.open(folder), file.toString(), key);
    }
}
