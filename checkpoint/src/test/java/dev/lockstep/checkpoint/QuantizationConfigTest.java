// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What of a `quantization_config` is read, and what is refused by name. The values are compared
/// with those of the formats' packages by the golden tests of quantized models.
class QuantizationConfigTest {
    @TempDir Path folder;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"quant_method\": \"aqlm\"} | quant_method is aqlm",
                "{\"bits\": 4} | quant_method is missing",
                "{\"quant_method\": \"gptq\", \"bits\": 3} | bits is 3",
                "{\"quant_method\": \"gptq\"} | bits is missing",
                "{\"quant_method\": \"gptq\", \"bits\": 4, \"group_size\": 0} | group_size is 0",
                "{\"quant_method\": \"gptq\", \"bits\": 4, \"checkpoint_format\": \"marlin\"} |"
                        + " checkpoint_format is marlin",
                "{\"quant_method\": \"gptq\", \"bits\": 4, \"is_marlin_format\": true} |"
                        + " is_marlin_format is true",
                "{\"quant_method\": \"awq\", \"bits\": 4, \"version\": \"gemv\"} | version is gemv",
                "{\"quant_method\": \"awq\", \"bits\": 8} | bits is 8",
                "{\"quant_method\": \"awq\", \"zero_point\": false} | zero_point is false",
                "{\"quant_method\": \"fp8\", \"fmt\": \"e5m2\"} | fmt is e5m2",
                "{\"quant_method\": \"fp8\", \"weight_block_size\": [0, 128]} | weight_block_size",
                "{\"quant_method\": \"modelopt\", \"quant_algo\": \"W4A8_AWQ\"} |"
                        + " quant_algo is W4A8_AWQ",
                "{\"quant_method\": \"compressed-tensors\", \"format\": \"marlin-24\"} |"
                        + " format is marlin-24",
                "{\"quant_method\": \"compressed-tensors\", \"sparsity_config\": {\"format\":"
                        + " \"sparse-24-bitmask\"}} | sparsity_config.format is sparse-24-bitmask",
                "{\"quant_method\": \"compressed-tensors\", \"transform_config\": {\"x\": {}}} |"
                        + " transform_config",
                "{\"quant_method\": \"compressed-tensors\", \"config_groups\": {\"g\": {\"weights\":"
                        + " {\"strategy\": \"token\"}}}} | config_groups.g.weights.strategy is token",
                "{\"group_size\": 64, \"bits\": 6} | bits is 6",
                "{\"group_size\": 64, \"bits\": 4, \"mode\": \"mxfp4\"} | mode is mxfp4"
            })
    void whatCannotBeReadIsRefusedByKeyAndValue(String quantization, String part) {
        JsonObject config =
                JsonObject.parse(
                        Path.of("config.json"),
                        "{\"quantization_config\": %s}"
                                .formatted(quantization)
                                .getBytes(StandardCharsets.UTF_8));
        Refused.naming(() -> QuantizationConfig.formats(config, folder), "config.json", part);
    }

    @Test
    void anotherMethodIsRefusedAfterTheArchitectureIsKnown() throws IOException {
        TinyCheckpoint.write(folder, 1);
        quantize("{\"quant_method\": \"hqq\"}");
        Checkpoint checkpoint = Checkpoint.openFiles(folder);
        assertEquals("LlamaForCausalLM", checkpoint.architecture());
        Refused.naming(checkpoint::config, "quantization_config.quant_method is hqq", "GGUF");
    }

    @Test
    void aModelWhoseConfigurationNamesNoQuantizedTensorIsPlain() throws IOException {
        TinyCheckpoint.write(folder, 1);
        quantize("{\"quant_method\": \"fp8\"}");
        Checkpoint checkpoint = Checkpoint.open(folder);
        assertTrue(checkpoint.decodedMatrices().isEmpty());
        assertTrue(checkpoint.tensor("model.layers.0.self_attn.q_proj.weight").decoder().isEmpty());
    }

    @Test
    void theConfigurationOfModelOptMayHaveItsOwnFile() throws IOException {
        Files.writeString(
                folder.resolve("hf_quant_config.json"),
                "{\"quantization\": {\"quant_algo\": \"FP8\", \"kv_cache_quant_algo\": null}}");
        JsonObject config =
                JsonObject.parse(
                        folder.resolve("config.json"), "{}".getBytes(StandardCharsets.UTF_8));
        assertEquals(2, QuantizationConfig.formats(config, folder).size());
    }

    @Test
    void aLayerHasTheNameOfItsMatrixAndItsPartsAreGone() throws IOException {
        Map<String, SafetensorsWriter.Content> tensors = new LinkedHashMap<>();
        tensors.put("a.weight", bytes("F8_E4M3", List.of(2L, 3L), 0x38, 0x40, 0xB8, 0x7E, 1, 0));
        tensors.put(
                "a.weight_scale_inv",
                SafetensorsWriter.Content.f32(List.of(1L, 2L), new float[] {2, 10}));
        tensors.put("a.input_scale", SafetensorsWriter.Content.f32(List.of(), new float[] {1}));
        tensors.put("b.weight", SafetensorsWriter.Content.f32(List.of(1L), new float[] {7}));
        Map<String, StoredTensor> all =
                complete(
                        tensors,
                        "{\"quant_method\": \"fp8\", \"weight_block_size\": [128, 2]}",
                        "float32");
        assertEquals(Set.of("a.weight", "b.weight"), all.keySet());
        WeightMatrix matrix = Objects.requireNonNull(all.get("a.weight")).weight("a.weight");
        assertEquals(TensorType.F32, matrix.type());
        try (Arena arena = Arena.ofShared()) {
            MemorySegment rows = matrix.decode(new int[] {1, 0}, 1, 3, arena);
            float[] values = rows.toArray(ValueLayout.JAVA_FLOAT);
            // 2^-9 is the smallest positive value.
            assertEquals(2 * 0x1p-9f, values[0]);
            assertEquals(0, values[1]);
            assertEquals(2 * 2f, values[2]);
            assertEquals(10 * -1f, values[3]);
        }
        assertFalse(Objects.requireNonNull(all.get("b.weight")).decoder().isPresent());
    }

    @ParameterizedTest
    @CsvSource({"0.25, Q8_0", "0.1, F32"})
    void integersKeepTheirBytesWhereTheirScaleIsAnF16(float scale, TensorType type)
            throws IOException {
        int[] codes = new int[32];
        codes[0] = -128;
        codes[31] = 127;
        Map<String, SafetensorsWriter.Content> tensors = new LinkedHashMap<>();
        tensors.put("a.weight", bytes("I8", List.of(1L, 32L), codes));
        tensors.put(
                "a.weight_scale",
                SafetensorsWriter.Content.f32(List.of(1L, 1L), new float[] {scale}));
        String config = "{\"quant_method\": \"compressed-tensors\", \"format\": \"int-quantized\"}";
        StoredTensor tensor =
                Objects.requireNonNull(complete(tensors, config, "bfloat16").get("a.weight"));
        WeightMatrix matrix = tensor.weight("a.weight");
        assertEquals(TensorType.Q8_0, matrix.type());
        WeightMatrix exact = matrix.exact();
        assertEquals(type, exact.type());
        try (Arena arena = Arena.ofShared()) {
            MemorySegment row = exact.decode(new int[] {0}, 0, 32, arena);
            if (type == TensorType.F32) {
                assertEquals(-128 * scale, row.get(ValueLayout.JAVA_FLOAT, 0));
            } else {
                assertEquals(
                        Float.floatToFloat16(scale), row.get(ValueLayout.JAVA_SHORT_UNALIGNED, 0));
                assertEquals(-128, row.get(ValueLayout.JAVA_BYTE, 2));
                assertEquals(127, row.get(ValueLayout.JAVA_BYTE, 33));
            }
        }
    }

    /// Column i has the code i − 20 and is in group i mod 2; where the last one is in the first
    /// group, groups differ in size.
    @ParameterizedTest
    @CsvSource({"1, Q8_0", "0, F32"})
    void columnsInTheOrderOfActivationsArePackedGroupByGroup(int lastGroup, TensorType type)
            throws IOException {
        int columns = 64;
        int[] codes = new int[columns];
        int[] groups = new int[4 * columns];
        for (int i = 0; i < columns; i++) {
            codes[i] = i - 20 + 128;
            groups[4 * i] = i == columns - 1 ? lastGroup : i % 2;
        }
        Map<String, SafetensorsWriter.Content> tensors = new LinkedHashMap<>();
        tensors.put("a.weight_packed", bytes("I32", List.of(1L, 16L), codes));
        tensors.put("a.weight_shape", bytes("I32", List.of(2L), 1, 0, 0, 0, columns, 0, 0, 0));
        tensors.put("a.weight_g_idx", bytes("I32", List.of(64L), groups));
        tensors.put(
                "a.weight_scale",
                SafetensorsWriter.Content.f32(List.of(1L, 2L), new float[] {0.5f, 2}));
        String config =
                "{\"quant_method\": \"compressed-tensors\", \"format\": \"pack-quantized\"}";
        StoredTensor tensor =
                Objects.requireNonNull(complete(tensors, config, "bfloat16").get("a.weight"));
        WeightMatrix matrix = tensor.weight("a.weight").exact();
        assertEquals(type, matrix.type());
        assertEquals(type, tensor.weight("a.weight").expected().type());
        try (Arena arena = Arena.ofShared()) {
            if (type == TensorType.Q8_0) {
                MemorySegment decoded = matrix.decode(new int[] {0}, 0, columns, arena);
                int[] order = matrix.columnOrder().orElseThrow();
                for (int i = 0; i < columns; i++) {
                    assertEquals(i < 32 ? 2 * i : 2 * i - 63, order[i]);
                    byte code = decoded.get(ValueLayout.JAVA_BYTE, 34L * (i / 32) + 2 + i % 32);
                    assertEquals(order[i] - 20, code);
                }
                assertEquals(
                        Float.floatToFloat16(2), decoded.get(ValueLayout.JAVA_SHORT_UNALIGNED, 34));
            }
            WeightMatrix part = matrix.cut(32, columns);
            assertEquals(TensorType.F32, part.type());
            assertTrue(part.columnOrder().isEmpty());
            MemorySegment plain = part.decode(new int[] {0}, 0, columns, arena);
            for (int i = 0; i < columns; i++) {
                float scale = groups[4 * i] == 0 ? 0.5f : 2;
                assertEquals((i - 20) * scale, plain.getAtIndex(ValueLayout.JAVA_FLOAT, i));
            }
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "a.weight_scale_inv | [3] | a.weight_scale_inv has shape [3]",
                "a.weight_scale_inv | [2, 2] | a.weight_scale_inv has shape [2, 2]",
                "a.other_scale_inv | [1, 2] | tensor a.other is missing"
            })
    void aScaleThatDoesNotFitItsMatrixIsRefused(String name, String shape, String part) {
        List<Long> dimensions =
                List.of(shape.replaceAll("[\\[\\] ]", "").split(",")).stream()
                        .map(Long::parseLong)
                        .toList();
        int count = dimensions.stream().mapToInt(Long::intValue).reduce(1, (a, b) -> a * b);
        Map<String, SafetensorsWriter.Content> tensors = new LinkedHashMap<>();
        tensors.put("a.weight", bytes("F8_E4M3", List.of(2L, 3L), 1, 2, 3, 4, 5, 6));
        tensors.put(name, SafetensorsWriter.Content.f32(dimensions, new float[count]));
        String config = "{\"quant_method\": \"fp8\", \"weight_block_size\": [128, 2]}";
        Refused.naming(() -> complete(tensors, config, "bfloat16"), part);
    }

    private Map<String, StoredTensor> complete(
            Map<String, SafetensorsWriter.Content> tensors, String quantization, String dtype)
            throws IOException {
        Path file = folder.resolve("model.safetensors");
        SafetensorsWriter.write(file, tensors);
        JsonObject config =
                JsonObject.parse(
                        Path.of("config.json"),
                        "{\"dtype\": \"%s\", \"quantization_config\": %s}"
                                .formatted(dtype, quantization)
                                .getBytes(StandardCharsets.UTF_8));
        return QuantizedTensors.complete(
                SafetensorsFile.open(file).tensors(), QuantizationConfig.formats(config, folder));
    }

    private static SafetensorsWriter.Content bytes(String type, List<Long> shape, int... values) {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return new SafetensorsWriter.Content(type, shape, bytes);
    }

    private void quantize(String quantization) throws IOException {
        Path file = folder.resolve("config.json");
        String config = Files.readString(file).stripTrailing();
        Files.writeString(
                file,
                "{\"quantization_config\": %s, %s".formatted(quantization, config.substring(1)));
    }
}
