// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CacheScalesTest {
    @TempDir Path folder;

    @ParameterizedTest
    @CsvSource({
        "model.layers.3.self_attn.k_scale, model.layers.3.self_attn.v_scale",
        "model.layers.3.self_attn.k_proj.k_scale, model.layers.3.self_attn.v_proj.v_scale",
        "model.layers.3.self_attn.qkv_proj.k_scale, model.layers.3.self_attn.qkv_proj.v_scale",
        "model.layers.3.self_attn.attn.k_scale, model.layers.3.self_attn.attn.v_scale",
        "model.layers.3.self_attn.k_proj.output_scale, model.layers.3.self_attn.v_proj.output_scale",
        "backbone.layers.3.mixer.k_proj.k_scale, backbone.layers.3.mixer.v_proj.v_scale",
        "transformer.h.3.attn.k_scale, transformer.h.3.attn.v_scale",
        "layers.3.self_attn.k_scale, model.language_model.layers.3.self_attn.v_scale"
    })
    void scalesHaveTheNamesOfSeveralTools(String key, String value) throws Exception {
        CacheScales.OfLayer found =
                scales(Map.of(key, scalar(2), value, scalar(5))).ofLayer(3, 2).orElseThrow();
        assertArrayEquals(new float[] {2, 2}, found.keys());
        assertArrayEquals(new float[] {5, 5}, found.values());
    }

    @Test
    void aHeadMayHaveItsOwnScale() throws Exception {
        byte[] halves = {0, 0x38, 0, 0x3c, 0, 0x40};
        CacheScales.OfLayer found =
                scales(
                                Map.of(
                                        "model.layers.0.self_attn.k_scale",
                                        SafetensorsWriter.Content.f32(
                                                List.of(3L, 1L, 1L), new float[] {1, 2, 3}),
                                        "model.layers.0.self_attn.v_scale",
                                        new SafetensorsWriter.Content("F16", List.of(3L), halves)))
                        .ofLayer(0, 3)
                        .orElseThrow();
        assertArrayEquals(new float[] {1, 2, 3}, found.keys());
        assertArrayEquals(new float[] {0.5f, 1, 2}, found.values());
    }

    @ParameterizedTest
    @CsvSource({"k_scale", "v_scale", "kv_scale"})
    void oneScaleIsThatOfBoth(String name) throws Exception {
        CacheScales all = scales(Map.of("model.layers.11.self_attn." + name, scalar(3)));
        CacheScales.OfLayer found = all.ofLayer(11, 1).orElseThrow();
        assertArrayEquals(new float[] {3}, found.keys());
        assertArrayEquals(new float[] {3}, found.values());
        assertTrue(all.ofLayer(1, 1).isEmpty());
    }

    @ParameterizedTest
    @CsvSource({
        "mtp.layers.0.self_attn.k_scale",
        "model.layers.0.self_attn.q_scale",
        "model.layers.0.self_attn.k_proj.weight_scale",
        "model.layers.0.self_attn.k_norm.k_scale.weight",
        "k_scale"
    })
    void otherTensorsAreNoScales(String name) throws Exception {
        assertTrue(scales(Map.of(name, scalar(3))).ofLayer(0, 1).isEmpty());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "-1 | 1 | has the value -1.0, an FP8 cache needs scales above 0",
                "0 | 1 | has the value 0.0, an FP8 cache needs scales above 0",
                "NaN | 1 | has the value NaN, an FP8 cache needs scales above 0",
                "Infinity | 1 | has the value Infinity, an FP8 cache needs scales above 0",
                "1 | 3 | has shape [3], an FP8 cache needs one scale or 4"
            })
    void anImpossibleScaleIsRefused(float value, int count, String line) throws Exception {
        float[] values = new float[count];
        Arrays.fill(values, value);
        CacheScales all =
                scales(
                        Map.of(
                                "model.layers.0.self_attn.k_scale",
                                SafetensorsWriter.Content.f32(List.of((long) count), values)));
        Refused.naming(
                () -> all.ofLayer(0, 4),
                "model.layers.0.self_attn.k_scale " + line,
                "use another --kv-dtype");
    }

    @Test
    void aScaleOfCodesIsRefused() throws Exception {
        CacheScales all =
                scales(
                        Map.of(
                                "model.layers.0.self_attn.k_scale",
                                new SafetensorsWriter.Content("I8", List.of(1L), new byte[1])));
        Refused.naming(() -> all.ofLayer(0, 4), "has type I8", "one of [F32, F16, BF16]");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{} | true",
                "{\"quantization_config\": {\"quant_method\": \"fp8\"}} | true",
                "{\"quantization_config\": {\"kv_cache_scheme\": null}} | true",
                "{\"quantization_config\": {\"kv_cache_scheme\": \"static\"}} | true",
                "{\"quantization_config\": {\"kv_cache_scheme\": {\"type\": \"float\", \"num_bits\": 8}}} | true",
                "{\"quantization_config\": {\"kv_cache_scheme\": {\"type\": \"int\", \"num_bits\": 8}}} | false",
                "{\"quantization_config\": {\"kv_cache_scheme\": {\"type\": \"float\", \"num_bits\": 4}}} | false",
                "{\"quantization_config\": {\"kv_cache_quant_algo\": \"FP8\"}} | true",
                "{\"quantization_config\": {\"kv_cache_quant_algo\": null}} | true",
                "{\"quantization_config\": {\"kv_cache_quant_algo\": \"NVFP4\"}} | false"
            })
    void scalesOfAnotherCacheAreNotUsed(String config, boolean used) {
        JsonObject json =
                JsonObject.parse(Path.of("config.json"), config.getBytes(StandardCharsets.UTF_8));
        assertEquals(used, QuantizationConfig.calibratesFp8Cache(json, folder));
    }

    private CacheScales scales(Map<String, SafetensorsWriter.Content> tensors) throws IOException {
        Path file = folder.resolve("model.safetensors");
        SafetensorsWriter.write(file, new LinkedHashMap<>(tensors));
        return CacheScales.of(SafetensorsFile.open(file).tensors());
    }

    private static SafetensorsWriter.Content scalar(float value) {
        return SafetensorsWriter.Content.f32(List.of(), new float[] {value});
    }
}
