// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.kernels.DeviceCapabilities;
import java.io.IOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Families that the shared fixtures lack on CUDA devices, eager and by recordings, against logits
/// and greedy ids recorded from transformers in f32: layers that keep states, experts without a
/// gate or of weighted inputs, attention in chunks, several residuals; in a long run all.
@Tag("gpu")
@Tag("processes")
final class CudaRecordedTest {
    private static final boolean LONG = Boolean.getBoolean("lockstep.long");

    /// Models whose recorded logits are those of other arithmetic, or of positions beyond their
    /// configuration.
    private static final Set<String> OTHERS =
            Set.of(
                    "gguf-llama-quantized-mixed",
                    "gptoss-mxfp4",
                    "gptoss-mxfp4-128",
                    "gguf-gptoss-mxfp4",
                    "llama-linear-beyond",
                    "llama-yarn-beyond");

    static List<String> models() throws IOException, URISyntaxException {
        if (!LONG) {
            return List.of(
                    "qwen3-5",
                    "granite-hybrid-moe",
                    "falcon-h1-norm",
                    "nemotron-h-moe",
                    "nemotron-h-latent",
                    "lfm2-moe",
                    "gguf-qwen3next",
                    "llama4",
                    "gemma3n");
        }
        try (Stream<Path> folders = Files.list(folder(""))) {
            return folders.map(each -> each.getFileName().toString())
                    .filter(name -> !OTHERS.contains(name))
                    .sorted()
                    .toList();
        }
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
    @ValueSource(strings = {"qwen3-5", "granite-hybrid", "falcon-h1", "llama4", "gemma3n"})
    @Tag("ranks")
    void threeRanksGiveTheRecordedLogitsAndIds(String name) throws Exception {
        requireGoldens(name, 3);
    }

    @Test
    void largerKeysThanAGpuComputesAreRefusedByName(@TempDir Path copy) throws Exception {
        Path folder = folder("qwen3-5");
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

    /// Activations are bf16 too. Random weights let roundings grow at some tokens, at the same ones
    /// where transformers in bf16 is far from its own f32.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "qwen3-5",
                "granite-hybrid",
                "falcon-h1",
                "nemotron-h-moe",
                "lfm2",
                "llama4",
                "gemma3n"
            })
    void logitsInBf16StayNearTheRecordedOnes(String name) throws Exception {
        Path folder = folder(name);
        try (TestGroup group = TestGroup.load(folder, 1, "bf16", "bf16", new CudaRanks())) {
            for (Goldens.Case golden : FamilyGoldenTest.goldens(folder).cases()) {
                float[][] logits = GgufGoldenTest.logits(group, golden);
                double[] errors = new double[logits.length];
                for (int t = 0; t < logits.length; t++) {
                    errors[t] = relativeError(golden.logits()[t], logits[t]);
                }
                Arrays.sort(errors);
                double median = errors[errors.length / 2];
                // Not a number is not below the bound.
                assertTrue(median < 0.1, "relative error " + median);
            }
        }
    }

    /// Returns the root mean square of the differences, relative to that of the expected values.
    private static double relativeError(float[] expected, float[] actual) {
        double errors = 0;
        double squares = 0;
        for (int i = 0; i < expected.length; i++) {
            double difference = (double) expected[i] - actual[i];
            errors += difference * difference;
            squares += (double) expected[i] * expected[i];
        }
        return Math.sqrt(errors / squares);
    }

    /// Returns a model's folder; skips the test, visibly, in a bundle that does not have it.
    private static Path folder(String name) throws URISyntaxException {
        URL found = CudaRecordedTest.class.getResource("/references/" + name);
        if (found == null) {
            String line = "skipped: no recorded models " + name;
            System.out.println(line);
            return Assumptions.abort(line);
        }
        return Path.of(found.toURI());
    }

    private static void requireGoldens(String name, int ranks) throws Exception {
        Path folder = folder(name);
        CudaGoldenTest.requireGoldens(
                name, RecordedLogitsTest.model(folder), FamilyGoldenTest.goldens(folder), ranks);
    }
}
