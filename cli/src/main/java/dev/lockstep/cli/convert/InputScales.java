// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.model.quant.BlockFormat;
import dev.lockstep.model.quant.PlainFormat;
import dev.lockstep.model.quant.RowFormat;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/// The scales by which columns of a model's matrices are multiplied, and the tensors that make
/// their inputs divided: a norm for q, k and v and for gate and up, v for o, and up for down.
///
/// The scales of a norm follow from its stored values, which are rounded: their product is exact.
/// Scales of what also decides about experts are powers of two.
final class InputScales {
    /// How the scales of matrices with the same inputs are chosen; empty if they are not scaled.
    interface Rule {
        Optional<float[]> scales(Readers readers);
    }

    /// Matrices that read what one tensor makes.
    ///
    /// @param consumers that are quantized, at least one
    /// @param exact those that are not
    record Readers(List<TensorPart> consumers, List<TensorPart> exact) {

        /// Returns the name of a matrix whose inputs are those of all of them.
        String input() {
            return (exact.isEmpty() ? consumers : exact).getFirst().name();
        }

        int columns() {
            return consumers.getFirst().columns();
        }

        boolean needPowersOfTwo() {
            return !exact.isEmpty();
        }
    }

    private final Map<String, TensorPart> parts = new HashMap<>();
    private final ScaledLinks links;
    private final Rule rule;

    /// The scales of the layer that was last asked for, by the name of the producer.
    private final Map<String, Optional<float[]>> found = new HashMap<>();

    private String layer = "";

    InputScales(List<TensorPart> parts, ScaledLinks links, Rule rule) {
        parts.forEach(each -> this.parts.put(each.name(), each));
        this.links = links;
        this.rule = rule;
    }

    /// Returns what a part of a tensor is scaled by.
    Factors of(TensorPart part) {
        return new Factors(ofColumns(part.name()), ofRows(part.name()), offset(part.name()));
    }

    /// Returns what the columns of a matrix are multiplied by.
    private Optional<float[]> ofColumns(String name) {
        return links.links().stream()
                .flatMap(
                        link ->
                                link.readers()
                                        .filter(each -> name.endsWith("." + each + ".weight"))
                                        .flatMap(
                                                each ->
                                                        scales(prefix(name, each, ".weight"), link)
                                                                .stream()))
                .findFirst();
    }

    /// Returns what the rows of a tensor are divided by: values of a norm or a bias, rows of v or
    /// up.
    private Optional<float[]> ofRows(String name) {
        return links.links().stream()
                .flatMap(
                        link ->
                                Stream.of(".weight", ".bias")
                                        .filter(end -> name.endsWith("." + link.producer() + end))
                                        .flatMap(
                                                end ->
                                                        scales(
                                                                prefix(name, link.producer(), end),
                                                                link)
                                                                .stream()))
                .findFirst();
    }

    /// Returns what is added to the values of a tensor before they are scaled, and subtracted
    /// afterwards: 1 for a norm whose stored weights are smaller by 1 than its factors.
    private float offset(String name) {
        boolean isNorm =
                links.links().stream()
                        .anyMatch(
                                link ->
                                        link.isNorm()
                                                && name.endsWith(
                                                        "." + link.producer() + ".weight"));
        return isNorm ? links.normOffset() : 0;
    }

    private static String prefix(String name, String part, String end) {
        return name.substring(0, name.length() - part.length() - end.length());
    }

    private Optional<float[]> scales(String prefix, ScaledLinks.Link link) {
        if (!prefix.equals(layer)) {
            layer = prefix;
            found.clear();
        }
        Optional<float[]> known = found.get(link.producer());
        if (known == null) {
            known = search(prefix, link);
            found.put(link.producer(), known);
        }
        return known;
    }

    private Optional<float[]> search(String prefix, ScaledLinks.Link link) {
        TensorPart producer = parts.get(prefix + link.producer() + ".weight");
        var readers = new Readers(find(prefix, link.consumers()), find(prefix, link.exact()));
        // With grouped queries several heads of o read the same rows of v.
        if (producer == null
                || readers.consumers().isEmpty()
                || isKeptMatrix(producer)
                || producer.rows() != readers.columns()) {
            return Optional.empty();
        }
        Optional<RowFormat> format = readers.consumers().getFirst().format();
        if (!(format.orElse(null) instanceof BlockFormat)
                || !readers.consumers().stream().allMatch(each -> each.format().equals(format))
                || readers.exact().stream()
                        .anyMatch(each -> each.tensor().source().type().isQuantized())) {
            return Optional.empty();
        }
        Optional<float[]> scales = rule.scales(readers);
        return link.isNorm() ? scales.map(each -> stored(producer.tensor(), each)) : scales;
    }

    private List<TensorPart> find(String prefix, List<String> names) {
        return names.stream()
                .map(each -> parts.get(prefix + each + ".weight"))
                .filter(each -> each != null)
                .toList();
    }

    private static boolean isKeptMatrix(TensorPart producer) {
        return producer.columns() > 1 && producer.format().isEmpty();
    }

    /// Returns the scales that the rounded weights of a norm have.
    private float[] stored(ConvertedModel.Tensor norm, float[] scales) {
        float offset = links.normOffset();
        float[] weights = norm.source().floats(0, norm.source().rows());
        float[] divided = new float[weights.length];
        for (int i = 0; i < weights.length; i++) {
            weights[i] += offset;
            divided[i] = weights[i] / scales[i] - offset + norm.added();
        }
        TensorType type =
                norm.format().orElse(null) instanceof PlainFormat plain
                        ? plain.type()
                        : norm.source().type();
        float[] rounded = new PlainFormat(type).rounded(divided);
        float[] exact = new float[weights.length];
        for (int i = 0; i < weights.length; i++) {
            float factor = rounded[i] + offset - norm.added();
            exact[i] = factor == 0 || weights[i] == 0 ? 1 : weights[i] / factor;
        }
        return exact;
    }
}
