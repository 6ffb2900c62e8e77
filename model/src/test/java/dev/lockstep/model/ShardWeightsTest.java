// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The bytes that are counted from headers against those of the loaded model.
class ShardWeightsTest {
    private static final int POSITIONS = 64;

    /// A model of each kind: gated feed-forwards and others, experts, states, latent attention,
    /// encoders, and quantized matrices that stay packed or are decoded.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "references/llama-f16-sharded",
                "references/arcee",
                "references/cohere-norms",
                "references/deepseek-v3",
                "references/falcon",
                "references/falcon-h1",
                "references/gemma4",
                "references/gguf-gpt2",
                "references/ministral3",
                "references/mistral4",
                "references/gguf-llama-quantized-mixed",
                "references/gguf-qwen3next",
                "references/gpt-neox",
                "references/gptbigcode",
                "references/gptoss-mxfp4",
                "references/granite-hybrid-moe",
                "references/lfm2",
                "references/nemotron",
                "references/nemotron-h-moe",
                "references/phi",
                "references/qwen2moe",
                "references/starcoder2-window",
                "encoders/bert",
                "encoders/modernbert",
                "encoders/nomic-bert",
                "quantized/awq",
                "quantized/bnb-int8",
                "quantized/bnb-nf4-double",
                "quantized/bnb-fp4-64",
                "quantized/ct-w4a16-asym",
                "quantized/fp8-partial-blocks",
                "quantized/gptq",
                "quantized/gptq-act-order",
                "quantized/gptq-asym-64",
                "quantized/mlx-64"
            })
    void theForecastIsWhatIsLoaded(String name) throws Exception {
        ModelSource source = source(name);
        try (Kernels kernels = CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning())) {
            ComputeTypes types = source.computeTypes("auto", "f32", kernels.capabilities());
            var settings =
                    new LoadSettings(
                            types.compute(),
                            types.kv(),
                            16,
                            POSITIONS,
                            LoadSettings.Progress.none());
            for (int size = 1; size <= 2; size++) {
                for (Shard shard : Shard.cut(source.config(), size)) {
                    String rank = "rank %d of %d".formatted(shard.rank(), size);
                    long loaded = source.load(shard, kernels, settings).weightBytes();
                    long tables = POSITIONS * source.positionBytes(shard);
                    assertEquals(
                            loaded,
                            source.weightBytes(shard, kernels, types.compute()) + tables,
                            rank);
                    // Known before kernels are opened, without the padding of small matrices.
                    long expected =
                            source.expectedWeightBytes(shard, types, kernels.capabilities());
                    assertEquals((double) loaded - tables, (double) expected, 0.4 * loaded, rank);
                }
            }
        }
    }

    /// A cosine and a sine in F32 for each pair of dimensions, once for all layers of equal rope,
    /// and a factor of the queries where they grow with the position.
    @ParameterizedTest
    @CsvSource({
        "references/llama-f16-sharded, 8, 0", // heads of 16
        "references/deepseek-v3, 4, 0", // 8 rotated dimensions
        "references/gemma4, 24, 0", // heads of 16 with a window, of 32 without
        "references/falcon, 4, 0", // heads of 8
        "references/ministral3, 8, 1",
        "references/mistral4, 4, 1",
        "references/gguf-gpt2, 0, 0"
    })
    void layersOfEqualRopeShareATable(String name, int pairs, int factors) throws Exception {
        ModelSource source = source(name);
        long bytes = (2L * pairs + factors) * Float.BYTES;
        for (int ranks = 1; ranks <= 2; ranks++) {
            assertEquals(bytes, source.positionBytes(source.shard(ranks - 1, ranks)));
        }
    }

    @Test
    void aFamilyThatComputesWhileItLoadsTakesAnEvenPart() throws Exception {
        Checkpoint checkpoint = ModelSource.openFiles(folder("references/llama3"));
        long matrices =
                checkpoint.matrixValues().values().stream().mapToLong(Long::longValue).sum();
        double counted =
                ShardWeights.evenPart(checkpoint, 3)
                        .matrixBytes(each -> (double) each.rows() * each.columns());
        assertEquals(matrices / 3.0, counted, 4096.0 * checkpoint.matrixValues().size());
    }

    private static ModelSource source(String name) throws URISyntaxException {
        Path folder = folder(name);
        Path file = folder.resolve("model.gguf");
        return ModelSource.open(Files.exists(file) ? file : folder);
    }

    private static Path folder(String name) throws URISyntaxException {
        return Path.of(
                Objects.requireNonNull(ShardWeightsTest.class.getResource("/" + name)).toURI());
    }
}
