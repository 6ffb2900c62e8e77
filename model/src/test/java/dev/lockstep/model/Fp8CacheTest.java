// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceCapabilities;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Models whose keys and values are FP8, with the scales of their checkpoints.
/// `src/test/python/record_fp8_cache.py` recorded what compressed-tensors computes with them.
class Fp8CacheTest {
    private static final DeviceCapabilities CPU = DeviceCapabilities.ofCpu("vector_api", false);

    /// As in [FamilyGoldenTest]; without the cache's rounding logits differ by far more.
    private static final double TOLERANCE = 1e-4;

    @TempDir Path folder;

    @ParameterizedTest
    @CsvSource({"tensor, 1", "tensor, 2", "heads, 1", "heads, 2", "heads, 3", "heads, 4"})
    void logitsAndGreedyIdsAreTheRecordedOnes(String name, int ranks) throws Exception {
        Path model = recorded(name);
        ModelSource.open(model).requireLoadable(ranks);
        try (TestGroup group = TestGroup.load(model, ranks, "f32", "fp8")) {
            for (Goldens.Case golden : FamilyGoldenTest.goldens(model).cases()) {
                assertTrue(worst(group, golden) <= TOLERANCE, worst(group, golden) + " off");
                assertArrayEquals(
                        golden.greedy(), group.greedy(golden.prompt(), golden.greedy().length, 1));
            }
            AnyBatch.requireSameBits(group, FamilyGoldenTest.goldens(model).prompts());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"f32", "f16", "bf16"})
    void scalesAreForFp8Alone(String kvDtype) throws Exception {
        Path model = recorded("heads");
        try (TestGroup group = TestGroup.load(model, 1, "f32", kvDtype)) {
            Goldens.Case golden = FamilyGoldenTest.goldens(model).cases().getLast();
            double worst = worst(group, golden);
            assertTrue(worst > 100 * TOLERANCE, kvDtype + " is off by " + worst);
        }
    }

    private static double worst(TestGroup group, Goldens.Case golden) throws Exception {
        int[] blocks = TestGroup.blocks(1, golden.prompt().length);
        float[][] actual = group.forward(List.of(new TestGroup.Row(golden.prompt(), 0, blocks)));
        double worst = 0;
        for (int t = 0; t < actual.length; t++) {
            for (int v = 0; v < actual[t].length; v++) {
                worst = Math.max(worst, Math.abs(golden.logits()[t][v] - actual[t][v]));
            }
        }
        return worst;
    }

    @Test
    void theMemoryBillIsThatOfTheBlocks() throws Exception {
        TinyModel.llama("LlamaForCausalLM").write(folder);
        ModelSource source = ModelSource.open(folder);
        long fp8 = source.kvBytesPerToken(source.shard(0, 1), DType.FP8);
        assertEquals(source.kvBytesPerToken(source.shard(0, 1), DType.F16), 2 * fp8);
        try (TestGroup group = TestGroup.load(folder, 1, "f32", "fp8")) {
            assertEquals(
                    fp8,
                    group.model().kvLayouts().stream()
                            .mapToLong(layout -> layout.bytesPerToken())
                            .sum());
        }
    }

    @Test
    void aScaleThatCannotBeUsedIsRefusedWithFp8Only() throws Exception {
        TinyModel.llama("LlamaForCausalLM")
                .tensor("model.layers.1.self_attn.v_scale", 3L)
                .write(folder);
        ModelSource source = ModelSource.open(folder);
        source.computeTypes("auto", "f16", CPU);
        CheckpointException refused =
                assertThrows(
                        CheckpointException.class, () -> source.computeTypes("auto", "fp8", CPU));
        assertEquals(
                "%s: tensor model.layers.1.self_attn.v_scale has shape [3], an FP8 cache needs one scale or 2: use another --kv-dtype"
                        .formatted(folder.resolve("model.safetensors")),
                refused.getMessage());
    }

    @Test
    void latentAttentionStoresWithoutScales() throws Exception {
        Path model = Fixtures.require("models/deepseek-v3");
        try (TestGroup group = TestGroup.load(model, 2, "f32", "fp8")) {
            List<int[]> prompts = FamilyGoldenTest.goldens(model).prompts();
            AnyBatch.requireSameBits(group, prompts);
        }
    }

    private static Path recorded(String name) throws URISyntaxException {
        return Path.of(
                Objects.requireNonNull(Fp8CacheTest.class.getResource("/fp8-cache/" + name))
                        .toURI());
    }
}
