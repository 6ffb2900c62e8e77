// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/// A reader of `quantization_config`: which formats the layers of a folder have, and the refusal of
/// what cannot be read, by key and value.
///
/// The file says little of single layers: sizes of groups and numbers of bits follow from shapes
/// where they can, and a layer is quantized if its tensors are there. So lists of exceptions
/// (`ignore`, `modules_to_not_convert`) are not read.
///
/// @param model `config.json`
/// @param config the object that names the method
record QuantizationConfig(JsonObject model, JsonObject config) {
    private static final List<String> METHODS =
            List.of(
                    "fp8",
                    "compressed-tensors",
                    "modelopt",
                    "gptq",
                    "awq",
                    "mxfp4",
                    "bitsandbytes",
                    "MLX's quantization");

    private static final Set<String> COMPRESSED_FORMATS =
            Set.of(
                    "dense",
                    "int-quantized",
                    "float-quantized",
                    "naive-quantized",
                    "pack-quantized",
                    "nvfp4-pack-quantized",
                    "mxfp4-pack-quantized",
                    "mixed-precision");

    /// Returns the formats of a folder's quantized layers; empty if it has none.
    static List<QuantizedFormat> formats(JsonObject model, Path folder) {
        return find(model, folder)
                .map(config -> new QuantizationConfig(model, config).formats())
                .orElse(List.of());
    }

    /// Returns whether scales of keys and values that the folder may have are those of an FP8
    /// cache: the configuration names no other type.
    static boolean calibratesFp8Cache(JsonObject model, Path folder) {
        return find(model, folder).stream().allMatch(QuantizationConfig::calibratesFp8Cache);
    }

    private static boolean calibratesFp8Cache(JsonObject config) {
        JsonNode scheme = config.node().path("kv_cache_scheme");
        String algorithm = config.node().path("kv_cache_quant_algo").asText("FP8");
        return scheme.path("type").asText("float").equals("float")
                && scheme.path("num_bits").asInt(8) == 8
                && Set.of("FP8", "null").contains(algorithm);
    }

    private static Optional<JsonObject> find(JsonObject model, Path folder) {
        Optional<JsonObject> text = model.object("text_config");
        return model.object("quantization_config")
                .or(() -> model.object("compression_config"))
                .or(() -> model.object("quantization"))
                .or(() -> text.flatMap(each -> each.object("quantization_config")))
                .or(
                        () ->
                                JsonObject.readIfPresent(folder.resolve("hf_quant_config.json"))
                                        .flatMap(each -> each.object("quantization")));
    }

    private List<QuantizedFormat> formats() {
        Optional<String> method = config.text("quant_method");
        if (method.isEmpty() && config.has("quant_algo")) {
            return modelOpt();
        }
        if (method.isEmpty() && config.has("bits") && config.has("group_size")) {
            return List.of(mlx());
        }
        return switch (method.orElseThrow(() -> config.missing("quant_method"))) {
            case "fp8" -> List.of(fp8());
            case "compressed-tensors", "compressed_tensors" -> compressedTensors();
            case "modelopt", "modelopt_fp4" -> modelOpt();
            case "gptq" -> List.of(gptq());
            case "awq" -> List.of(awq());
            case "mxfp4" -> List.of(new Mxfp4Experts());
            case "bitsandbytes" -> List.of(new NormalFloat4(), new VectorwiseInt8(type()));
            default -> throw unsupported("quant_method", method.get(), METHODS);
        };
    }

    private CheckpointException unsupported(String key, Object value, Object supported) {
        return new CheckpointException(
                "%s: %s%s is %s, which is not supported (supported: %s): use the model's F16 or BF16 version, or a GGUF file"
                        .formatted(config.file(), config.prefix(), key, value, supported));
    }

    private void require(String key, Set<String> supported) {
        config.text(key)
                .ifPresent(
                        value -> {
                            if (!supported.contains(value)) {
                                throw unsupported(key, value, supported);
                            }
                        });
    }

    private QuantizedFormat fp8() {
        require("fmt", Set.of("e4m3", "float8_e4m3fn"));
        List<Integer> block = config.integers("weight_block_size");
        if (!block.isEmpty() && (block.size() != 2 || block.get(0) < 1 || block.get(1) < 1)) {
            throw config.wrong("weight_block_size", block, "two positive sizes");
        }
        return block.isEmpty()
                ? new BlockFp8(OptionalInt.empty(), OptionalInt.empty(), type())
                : new BlockFp8(OptionalInt.of(block.get(0)), OptionalInt.of(block.get(1)), type());
    }

    private List<QuantizedFormat> compressedTensors() {
        require("format", COMPRESSED_FORMATS);
        require("quantization_status", Set.of("compressed"));
        config.object("sparsity_config")
                .flatMap(sparsity -> sparsity.text("format"))
                .filter(format -> !format.equals("dense"))
                .ifPresent(
                        format -> {
                            throw unsupported("sparsity_config.format", format, "dense");
                        });
        if (config.object("transform_config").map(each -> !each.node().isEmpty()).orElse(false)) {
            throw unsupported("transform_config", "present", "none");
        }
        int blockRows = 1;
        int blockColumns = 1;
        for (JsonObject weights : groups()) {
            require(weights, "type", Set.of("int", "float"));
            require(
                    weights,
                    "strategy",
                    Set.of("tensor", "channel", "group", "tensor_group", "block"));
            List<Integer> block = weights.integers("block_structure");
            if (block.size() == 2 && block.get(0) > 1 && block.get(1) > 0) {
                blockRows = block.get(0);
                blockColumns = block.get(1);
            }
        }
        return List.of(
                new PackedIntegers(),
                Fp4Layers.ofCompressedTensors(),
                new ScaledWeights(Optional.empty(), blockRows, blockColumns));
    }

    private List<JsonObject> groups() {
        return config.object("config_groups").stream()
                .flatMap(
                        groups ->
                                groups.node().properties().stream()
                                        .flatMap(each -> groups.object(each.getKey()).stream()))
                .flatMap(
                        group -> {
                            group.text("format")
                                    .filter(format -> !COMPRESSED_FORMATS.contains(format))
                                    .ifPresent(
                                            format -> {
                                                throw group.wrong(
                                                        "format",
                                                        format,
                                                        "one of " + COMPRESSED_FORMATS);
                                            });
                            return group.object("weights").stream();
                        })
                .toList();
    }

    private static void require(JsonObject object, String key, Set<String> supported) {
        object.text(key)
                .filter(value -> !supported.contains(value))
                .ifPresent(
                        value -> {
                            throw object.wrong(key, value, "one of " + supported);
                        });
    }

    private List<QuantizedFormat> modelOpt() {
        require("quant_algo", Set.of("FP8", "NVFP4", "FP8_PER_CHANNEL_PER_TOKEN"));
        return List.of(Fp4Layers.ofModelOpt(type()), new ScaledWeights(Optional.of(type()), 1, 1));
    }

    private QuantizedFormat gptq() {
        int bits = bits();
        String format = config.text("checkpoint_format", "format").orElse("gptq");
        if (!Set.of("gptq", "gptq_v2").contains(format)) {
            throw unsupported("checkpoint_format", format, "gptq, gptq_v2");
        }
        if (config.flag("is_marlin_format").orElse(false)) {
            throw unsupported("is_marlin_format", true, false);
        }
        return new GptqLayers(
                bits, groupSize(), format.equals("gptq") ? 1 : 0, config.flag("sym").orElse(true));
    }

    private QuantizedFormat awq() {
        String layout = config.text("version", "format").orElse("gemm");
        if (!layout.equalsIgnoreCase("gemm")) {
            throw unsupported("version", layout, "gemm");
        }
        if (config.integer("bits", "w_bit").orElse(4) != 4) {
            throw unsupported("bits", config.integer("bits", "w_bit").getAsInt(), 4);
        }
        if (!config.flag("zero_point").orElse(true)) {
            throw unsupported("zero_point", false, true);
        }
        return new AwqLayers(groupSize());
    }

    private int bits() {
        int bits = config.requireInteger("bits");
        if (!Set.of(2, 4, 8).contains(bits)) {
            throw unsupported("bits", bits, List.of(2, 4, 8));
        }
        return bits;
    }

    /// Returns 0 for one group.
    private int groupSize() {
        int size = config.integer("group_size", "q_group_size").orElse(128);
        if (size < -1 || size == 0) {
            throw config.wrong("group_size", size, "a positive number, or -1");
        }
        return Math.max(0, size);
    }

    private QuantizedFormat mlx() {
        MlxLayers.Parameters usual = mlx(config);
        Map<String, MlxLayers.Parameters> layers = new HashMap<>();
        for (Map.Entry<String, JsonNode> entry : config.entries()) {
            if (entry.getValue().isObject()) {
                layers.put(entry.getKey(), mlx(config.object(entry.getKey()).orElseThrow()));
            }
        }
        return new MlxLayers(usual, layers);
    }

    private MlxLayers.Parameters mlx(JsonObject parameters) {
        require(parameters, "mode", Set.of("affine"));
        int bits = parameters.requireInteger("bits");
        int groupSize = parameters.requireInteger("group_size");
        if (!Set.of(2, 4, 8).contains(bits)) {
            throw parameters.wrong("bits", bits, "2, 4 or 8");
        }
        if (groupSize < 1) {
            throw parameters.wrong("group_size", groupSize, "a positive number");
        }
        return new MlxLayers.Parameters(groupSize, bits);
    }

    /// Returns the type in which the model computes, BF16 if the configuration names none.
    private TensorType type() {
        Optional<String> dtype =
                model.text("dtype", "torch_dtype")
                        .or(
                                () ->
                                        model.object("text_config")
                                                .flatMap(
                                                        text -> text.text("dtype", "torch_dtype")));
        return dtype.flatMap(QuantizationConfig::type).orElse(TensorType.BF16);
    }

    static Optional<TensorType> type(String dtype) {
        return switch (dtype) {
            case "float32" -> Optional.of(TensorType.F32);
            case "float16" -> Optional.of(TensorType.F16);
            case "bfloat16" -> Optional.of(TensorType.BF16);
            default -> Optional.empty();
        };
    }
}
