// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceCapabilities;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ComputeTypesTest {
    private static final DeviceCapabilities CPU = DeviceCapabilities.ofCpu("avx512_bf16", true);
    private static final DeviceCapabilities OLD_CPU = DeviceCapabilities.ofCpu("vector_api", false);
    private static final DeviceCapabilities GPU = DeviceCapabilities.ofCuda(8, 0);

    @Test
    void autoFollowsWeightsAndDevice() {
        assertEquals("f32 f32 f32", auto(TensorType.F32, CPU));
        assertEquals("f32 f32 f16", auto(TensorType.F16, CPU));
        assertEquals("bf16 f32 f16", auto(TensorType.BF16, CPU));
        assertEquals("f32 f32 f16", auto(TensorType.BF16, OLD_CPU));
        assertEquals("int8 f32 f16", auto(TensorType.Q4_K, CPU));
        assertEquals("f32 f32 f32", auto(TensorType.F32, GPU));
        assertEquals("bf16 bf16 bf16", auto(TensorType.BF16, GPU));
        assertEquals("bf16 bf16 bf16", auto(TensorType.Q4_K, GPU));
    }

    @Test
    void aGpuMultipliesQuantizedWeightsInEitherType() {
        for (String dtype : new String[] {"f32", "bf16"}) {
            ComputeTypes types = ComputeTypes.resolve(TensorType.Q8_0, dtype, "auto", GPU);
            assertEquals(dtype, types.computeName());
            assertEquals(types.compute(), types.activation());
            assertEquals("q8_0", types.weightsName());
        }
    }

    @Test
    void statesAreForProcessorsAndGpus() {
        ModelSource source = ModelSource.open(Fixtures.require("models/qwen3-next"));
        assertEquals(DType.F32, source.computeTypes("auto", "auto", CPU).kv());
        assertEquals(DType.F32, source.computeTypes("auto", "auto", GPU).kv());
    }

    @Test
    void largeHeadsAreForProcessors(@TempDir Path folder) throws Exception {
        Path llama = Fixtures.require("models/llama");
        for (String file : List.of("model.safetensors", "tokenizer.json")) {
            Files.copy(llama.resolve(file), folder.resolve(file));
        }
        ObjectNode config = (ObjectNode) Goldens.json(llama.resolve("config.json"));
        config.put("head_dim", 648);
        Files.writeString(folder.resolve("config.json"), config.toString());
        ModelSource source = ModelSource.open(folder);
        assertEquals(DType.F32, source.computeTypes("auto", "auto", CPU).compute());
        String message =
                assertThrows(
                                CheckpointException.class,
                                () -> source.computeTypes("auto", "auto", GPU))
                        .getMessage();
        assertTrue(message.contains("heads of 648, at most 640 are computed on a GPU"), message);
    }

    @Test
    void anExplicitKvTypeIsTaken() {
        for (DeviceCapabilities device : new DeviceCapabilities[] {CPU, GPU}) {
            assertEquals(
                    DType.F16, ComputeTypes.resolve(TensorType.F32, "auto", "f16", device).kv());
        }
    }

    @Test
    void q8IsForProcessorsAndHeadsOfWholeGroups() {
        ComputeTypes types = ComputeTypes.resolve(TensorType.Q4_1, "auto", "q8", CPU);
        assertEquals("q8", types.kvName());
        assertEquals(DType.I8, types.kv());
        types.requireHeads(96);
        assertEquals(
                "kv-dtype q8: the model's heads have 80 dimensions, q8 needs a multiple of 32; use f16 or auto",
                assertThrows(IllegalArgumentException.class, () -> types.requireHeads(80))
                        .getMessage());
        ComputeTypes.resolve(TensorType.F16, "auto", "f16", CPU).requireHeads(80);
        assertEquals(
                "kv-dtype q8: compute capability 8.0 stores f32, f16 or bf16; use one of them or auto",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> ComputeTypes.resolve(TensorType.BF16, "auto", "q8", GPU))
                        .getMessage());
    }

    @Test
    void fp8IsForProcessorsAndHeadsOfAnySize() {
        ComputeTypes types = ComputeTypes.resolve(TensorType.Q4_1, "auto", "fp8", CPU);
        assertEquals("fp8", types.kvName());
        assertEquals(DType.FP8, types.kv());
        types.requireHeads(80);
        assertEquals(
                "kv-dtype fp8: compute capability 8.0 stores f32, f16 or bf16; use one of them or auto",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> ComputeTypes.resolve(TensorType.BF16, "auto", "fp8", GPU))
                        .getMessage());
    }

    @Test
    void whatTheDeviceCannotMultiplyIsRefused() {
        assertRefused(
                "dtype f32: the weights are Q8_0, which multiply int8 activations; leave dtype at auto",
                TensorType.Q8_0,
                "f32",
                CPU);
        assertRefused(
                "dtype bf16: vector_api cannot multiply it; use f32 or auto",
                TensorType.F16,
                "bf16",
                OLD_CPU);
    }

    private static void assertRefused(
            String message, TensorType weights, String dtype, DeviceCapabilities device) {
        IllegalArgumentException refused =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> ComputeTypes.resolve(weights, dtype, "auto", device));
        assertEquals(message, refused.getMessage());
    }

    private static String auto(TensorType weights, DeviceCapabilities device) {
        ComputeTypes types = ComputeTypes.resolve(weights, "auto", "auto", device);
        return "%s %s %s"
                .formatted(
                        types.computeName(),
                        types.activation().name().toLowerCase(Locale.ROOT),
                        types.kvName());
    }
}
