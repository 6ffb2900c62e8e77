// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.kernels.DeviceCapabilities;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Families that the shared fixtures lack on CUDA devices, eager and by recordings, against logits
/// and greedy ids recorded from transformers in f32: layers that keep states, experts without a
/// gate or of weighted inputs, attention in chunks.
@Tag("gpu")
@Tag("processes")
final class CudaRecordedTest {
    private static final boolean LONG = Boolean.getBoolean("lockstep.long");

    static List<String> models() {
        return LONG
                ? List.of(
                        "qwen3-5",
                        "qwen3-5-moe",
                        "granite-hybrid",
                        "granite-hybrid-rope",
                        "granite-hybrid-moe",
                        "falcon-h1",
                        "falcon-h1-norm",
                        "nemotron-h",
                        "nemotron-h-moe",
                        "nemotron-h-latent",
                        "lfm2",
                        "lfm2-moe",
                        "gguf-qwen3next",
                        "gguf-qwen3-5",
                        "gguf-granite-hybrid",
                        "gguf-falcon-h1",
                        "gguf-lfm2",
                        "llama4",
                        "llama4-vision")
                : List.of(
                        "qwen3-5",
                        "granite-hybrid-moe",
                        "falcon-h1-norm",
                        "nemotron-h-moe",
                        "nemotron-h-latent",
                        "lfm2-moe",
                        "gguf-qwen3next",
                        "llama4");
    }

    @ParameterizedTest
    @MethodSource("models")
    void oneRankGivesTheRecordedLogitsAndIds(String name) throws Exception {
        requireGoldens(name, 1);
    }

    @ParameterizedTest
    @MethodSource("models")
    @Tag("ranks")
    void twoRanksGiveTheRecordedLogitsAndIds(String name) throws Exception {
        requireGoldens(name, 2);
    }

    @ParameterizedTest
    @ValueSource(strings = {"qwen3-5", "granite-hybrid", "falcon-h1", "llama4"})
    @Tag("ranks")
    void threeRanksGiveTheRecordedLogitsAndIds(String name) throws Exception {
        requireGoldens(name, 3);
    }

    @Test
    void largerKeysThanAGpuComputesAreRefusedByName(@TempDir Path copy) throws Exception {
        Path folder = RecordedRanksTest.folder("qwen3-5");
        Files.copy(folder.resolve("model.safetensors"), copy.resolve("model.safetensors"));
        Files.writeString(
                copy.resolve("config.json"),
                Files.readString(folder.resolve("config.json"))
                        .replace("\"linear_key_head_dim\": 8", "\"linear_key_head_dim\": 520"));
        ModelSource source = ModelSource.open(copy);
        CheckpointException refused =
                assertThrows(
                        CheckpointException.class,
                        () -> source.computeTypes("auto", "auto", DeviceCapabilities.ofCuda(9, 0)));
        assertEquals(
                copy
                        + ": states have keys of 520, at most 512 are computed on a GPU: use --device cpu",
                refused.getMessage());
    }

    private static void requireGoldens(String name, int ranks) throws Exception {
        Path folder = RecordedRanksTest.folder(name);
        CudaGoldenTest.requireGoldens(
                name, RecordedLogitsTest.model(folder), FamilyGoldenTest.goldens(folder), ranks);
    }
}
