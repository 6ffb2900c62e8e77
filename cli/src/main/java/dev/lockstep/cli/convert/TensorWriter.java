// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.model.ObservedProducts;
import dev.lockstep.model.StoredRows;
import dev.lockstep.model.quant.BlockFormat;
import dev.lockstep.model.quant.MatrixQuantizer;
import dev.lockstep.model.quant.PlainFormat;
import dev.lockstep.model.quant.RowFormat;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.IntStream;

/// A writer of the tensors of a conversion, one after the other: as they are, scaled, or quantized.
///
/// @param calibration by which the rows of matrices are quantized
/// @param fixed the scales of FP8 that the texts fix
/// @param scales of the columns of matrices, and of what makes their inputs
/// @param uncalibrated receives the matrices that the texts do not decide
record TensorWriter(
        ConvertedModel target,
        Conversion conversion,
        StoredRows rows,
        Optional<Calibration> calibration,
        Optional<StaticScales> fixed,
        Optional<InputScales> scales,
        Uncalibrated uncalibrated) {
    /// Values that are quantized at once.
    private static final int PIECE = 1 << 22;

    /// Writes the next tensor.
    ///
    /// @param parts of the tensor, which are scaled and quantized each for itself
    void write(int number, ConvertedModel.Tensor tensor, List<TensorPart> parts) {
        List<Factors> factors =
                parts.stream()
                        .map(part -> scales.map(each -> each.of(part)).orElse(Factors.NONE))
                        .toList();
        Optional<RowFormat> format =
                tensor.format().isEmpty() && factors.stream().anyMatch(Factors::isPresent)
                        ? Optional.of(RowFormat.of(tensor.source().type()))
                        : tensor.format();
        if (format.isEmpty()) {
            target.copy(number);
            return;
        }
        ConvertedModel.Blocks blocks = target.begin(number);
        for (int i = 0; i < parts.size(); i++) {
            TensorPart part = parts.get(i);
            if (format.get() instanceof BlockFormat) {
                uncalibrated.add(part.name(), reason(part, factors.get(i)));
            }
            write(part, factors.get(i), encoder(part, factors.get(i), format.get()), blocks);
        }
        blocks.end();
    }

    private Function<float[], byte[]> encoder(TensorPart part, Factors factors, RowFormat format) {
        return switch (format) {
            case PlainFormat plain -> plain::encode;
            case BlockFormat blocks -> {
                var quantizer =
                        new MatrixQuantizer(
                                blocks,
                                conversion.method().passesErrors()
                                        ? calibration.flatMap(
                                                each -> each.of(part.name(), factors.columns()))
                                        : Optional.empty());
                yield values -> quantizer.quantize(values, part.columns());
            }
        };
    }

    /// Returns why the texts do not decide how a matrix is quantized; empty if they do.
    private Optional<String> reason(TensorPart part, Factors factors) {
        Method method = conversion.method();
        if (conversion.calibrate().isEmpty() || factors.columns().isPresent()) {
            return Optional.empty();
        }
        if (conversion.quantize() instanceof Quantization.Smoothed) {
            return Optional.of("their inputs come from no norm");
        }
        boolean isExpert = ObservedProducts.expert(part.name()).isPresent();
        if (method == Method.AWQ && !isExpert) {
            return Optional.of("nothing before them takes their scales");
        }
        boolean seen =
                method == Method.ROUND
                        ? fixed.map(each -> each.hasSeen(part.name())).orElse(true)
                        : calibration.flatMap(each -> each.products(part.name())).isPresent();
        if (!seen) {
            return Optional.of(
                    isExpert
                            ? "no token of the texts chose their expert"
                            : "their inputs are not observed");
        }
        return method == Method.AWQ
                ? Optional.of("nothing before them takes their scales")
                : Optional.empty();
    }

    private void write(
            TensorPart part,
            Factors factors,
            Function<float[], byte[]> encoder,
            ConvertedModel.Blocks blocks) {
        WeightMatrix matrix = part.tensor().source();
        int atOnce = Math.max(1, PIECE / matrix.columns());
        for (int from = 0; from < part.rows(); from += atOnce) {
            int to = Math.min(part.rows(), from + atOnce);
            int[] sources = IntStream.range(from, to).map(part::sourceRow).toArray();
            float[] values =
                    matrix.columns() == 1 ? vector(matrix, sources) : rows.read(matrix, sources);
            int[] numbers = IntStream.of(sources).map(row -> row - part.first()).toArray();
            factors.apply(values, numbers, matrix.columns());
            if (part.tensor().added() != 0) {
                for (int i = 0; i < values.length; i++) {
                    values[i] += part.tensor().added();
                }
            }
            blocks.add(encoder.apply(values));
        }
    }

    private static float[] vector(WeightMatrix matrix, int[] sources) {
        float[] all = matrix.floats(0, matrix.rows());
        float[] values = new float[sources.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = all[sources[i]];
        }
        return values;
    }
}
