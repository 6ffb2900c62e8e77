// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.model.StoredRows;
import dev.lockstep.model.quant.BlockFormat;
import dev.lockstep.model.quant.InputProducts;
import dev.lockstep.model.quant.PlainFormat;
import dev.lockstep.model.quant.ScaleSearch;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// The scales by which columns of a model's matrices are multiplied, and the tensors that make
/// their inputs divided: a norm for q, k and v and for gate and up, and up for down.
///
/// The scales of a norm follow from its stored values, which are rounded: their product is exact.
final class InputScales {
    /// Architectures in which these inputs have no other reader and the norms multiply by their
    /// weights.
    private static final Set<String> ARCHITECTURES =
            Set.of(
                    "GraniteForCausalLM",
                    "LlamaForCausalLM",
                    "MistralForCausalLM",
                    "Phi3ForCausalLM",
                    "Qwen2ForCausalLM",
                    "Qwen3ForCausalLM",
                    "SeedOssForCausalLM",
                    "SmolLM3ForCausalLM",
                    "granite",
                    "llama",
                    "phi3",
                    "qwen2",
                    "qwen3",
                    "seed_oss",
                    "smollm3");

    private static final int SAMPLES = 32;

    /// A tensor and the matrices that multiply what it makes, by their names in a layer.
    private record Link(String producer, List<String> consumers) {}

    private static final List<Link> LINKS =
            List.of(
                    new Link(
                            "input_layernorm",
                            List.of(
                                    "self_attn.q_proj",
                                    "self_attn.k_proj",
                                    "self_attn.v_proj",
                                    "self_attn.qkv_proj")),
                    new Link(
                            "post_attention_layernorm",
                            List.of("mlp.gate_proj", "mlp.up_proj", "mlp.gate_up_proj")),
                    new Link("mlp.up_proj", List.of("mlp.down_proj")));

    private final Map<String, ConvertedModel.Tensor> tensors = new HashMap<>();
    private final Calibration calibration;
    private final StoredRows rows;

    /// The scales of the layer that was last asked for, by the name of the producer.
    private final Map<String, Optional<float[]>> found = new HashMap<>();

    private String layer = "";

    /// @throws UnusableException if models of an architecture are not scaled
    static void requireSupported(String architecture) {
        if (!ARCHITECTURES.contains(architecture)) {
            throw new UnusableException(
                    "--method=awq: %s is none of %s"
                            .formatted(
                                    architecture,
                                    String.join(", ", ARCHITECTURES.stream().sorted().toList())));
        }
    }

    InputScales(List<ConvertedModel.Tensor> tensors, Calibration calibration, StoredRows rows) {
        tensors.forEach(each -> this.tensors.put(each.name(), each));
        this.calibration = calibration;
        this.rows = rows;
    }

    /// Returns what the columns of a matrix are multiplied by.
    Optional<float[]> ofColumns(String name) {
        return LINKS.stream()
                .flatMap(
                        link ->
                                link.consumers.stream()
                                        .filter(each -> name.endsWith("." + each + ".weight"))
                                        .flatMap(
                                                each ->
                                                        scales(prefix(name, each, ".weight"), link)
                                                                .stream()))
                .findFirst();
    }

    /// Returns what the rows of a tensor are divided by: values of a norm or a bias, rows of up.
    Optional<float[]> ofRows(String name) {
        return LINKS.stream()
                .flatMap(
                        link ->
                                Stream.of(".weight", ".bias")
                                        .filter(end -> name.endsWith("." + link.producer + end))
                                        .flatMap(
                                                end ->
                                                        scales(
                                                                prefix(name, link.producer, end),
                                                                link)
                                                                .stream()))
                .findFirst();
    }

    private static String prefix(String name, String part, String end) {
        return name.substring(0, name.length() - part.length() - end.length());
    }

    private Optional<float[]> scales(String prefix, Link link) {
        if (!prefix.equals(layer)) {
            layer = prefix;
            found.clear();
        }
        Optional<float[]> known = found.get(link.producer);
        if (known == null) {
            known = search(prefix, link);
            found.put(link.producer, known);
        }
        return known;
    }

    private Optional<float[]> search(String prefix, Link link) {
        ConvertedModel.Tensor producer = tensors.get(prefix + link.producer + ".weight");
        List<ConvertedModel.Tensor> consumers =
                link.consumers.stream()
                        .map(each -> tensors.get(prefix + each + ".weight"))
                        .filter(each -> each != null)
                        .toList();
        if (producer == null || consumers.isEmpty() || isKeptMatrix(producer)) {
            return Optional.empty();
        }
        Optional<InputProducts> products = calibration.products(consumers.getFirst().name());
        if (products.isEmpty()
                || !(consumers.getFirst().format().orElse(null) instanceof BlockFormat format)
                || !consumers.stream()
                        .allMatch(each -> each.format().equals(consumers.getFirst().format()))) {
            return Optional.empty();
        }
        List<float[]> samples = new ArrayList<>();
        consumers.forEach(each -> sample(each.source(), samples));
        float[] scales = ScaleSearch.best(products.get(), format, samples);
        return Optional.of(producer.source().columns() == 1 ? stored(producer, scales) : scales);
    }

    private static boolean isKeptMatrix(ConvertedModel.Tensor producer) {
        return producer.source().columns() > 1 && producer.format().isEmpty();
    }

    private void sample(WeightMatrix matrix, List<float[]> samples) {
        int count = Math.min(SAMPLES, matrix.rows());
        int[] chosen =
                IntStream.range(0, count)
                        .map(i -> (int) ((long) i * matrix.rows() / count))
                        .toArray();
        float[] values = rows.read(matrix, chosen);
        for (int i = 0; i < count; i++) {
            float[] row = new float[matrix.columns()];
            System.arraycopy(values, i * row.length, row, 0, row.length);
            samples.add(row);
        }
    }

    /// Returns the scales that the rounded weights of a norm have.
    private static float[] stored(ConvertedModel.Tensor norm, float[] scales) {
        float[] weights = norm.source().floats(0, norm.source().rows());
        float[] divided = new float[weights.length];
        for (int i = 0; i < weights.length; i++) {
            divided[i] = weights[i] / scales[i];
        }
        TensorType type =
                norm.format().orElse(null) instanceof PlainFormat plain
                        ? plain.type()
                        : norm.source().type();
        ByteBuffer bytes =
                ByteBuffer.wrap(new PlainFormat(type).encode(divided))
                        .order(ByteOrder.LITTLE_ENDIAN);
        float[] exact = new float[weights.length];
        for (int i = 0; i < weights.length; i++) {
            float rounded =
                    switch (type) {
                        case F16 -> Float.float16ToFloat(bytes.getShort());
                        case BF16 -> Float.intBitsToFloat(bytes.getShort() << 16);
                        default -> bytes.getFloat();
                    };
            exact[i] = rounded == 0 || weights[i] == 0 ? 1 : weights[i] / rounded;
        }
        return exact;
    }
}
