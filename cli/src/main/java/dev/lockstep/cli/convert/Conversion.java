// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import com.google.common.hash.Hashing;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Owned;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.StoredRows;
import dev.lockstep.model.quant.BlockFormat;
import dev.lockstep.model.quant.ErrorFeedback;
import dev.lockstep.model.quant.MatrixQuantizer;
import dev.lockstep.model.quant.PlainFormat;
import dev.lockstep.model.quant.RowFormat;
import dev.lockstep.text.Tokenizers;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/// What a conversion is asked for.
///
/// @param quantize a type of GGUF, or the integers of a folder
/// @param keep patterns of the names of tensors that stay as they are
/// @param calibrate lines `{"text": …}`, if errors are to be passed on
/// @param calibrationTokens what is read of them at most
/// @param method how weights are chosen; [Method#ROUND] exactly without texts, and with
///   [Quantization.Smoothed], whose texts smooth inputs
public record Conversion(
        Path source,
        Path target,
        Quantization quantize,
        List<String> keep,
        Optional<Path> calibrate,
        int calibrationTokens,
        Method method) {
    private static final Pattern EXACT =
            Pattern.compile(
                    "(.*\\.)?("
                            + "gate|router|router\\.layer|router\\.proj|modality_router"
                            + "|wpe|position_embeddings|token_type_embeddings"
                            + "|conv1d|conv\\.conv"
                            + "|dense_[23]|pooler\\.dense|classifier\\.dense|pre_classifier|head\\.dense"
                            + ")\\.weight|.*[._]bias");

    /// What quantizers of other results have another number of.
    private static final int VERSION = 3;

    /// Values that are quantized at once.
    private static final int PIECE = 1 << 22;

    public Conversion {
        if (quantize instanceof Quantization.Smoothed
                && (calibrate.isEmpty() || method != Method.ROUND)) {
            throw new IllegalArgumentException(
                    "%s needs texts and rounds weights, not %s".formatted(quantize, method));
        }
    }

    /// Checks everything that can be checked before the target is written, then writes it.
    ///
    /// @param kernels opens the kernels of one model
    /// @param maxCalibrationBytes of products of inputs that are kept at a time
    /// @return lines that say what was written
    public List<String> run(
            Supplier<Kernels> kernels, long maxCalibrationBytes, Terminal terminal) {
        if (Files.exists(quantize.complete(target))) {
            throw new UnusableException(
                    "%s exists: remove it first".formatted(quantize.complete(target)));
        }
        ModelSource model = ModelSource.open(source).requireLoadable(1);
        requireMatches();
        Optional<ScaledLinks> links = links(model.config().architecture());
        Optional<CalibrationText> text =
                calibrate.map(
                        file ->
                                CalibrationText.read(
                                        file, Tokenizers.of(model.tokenizer()), calibrationTokens));
        List<String> uncalibrated = new ArrayList<>();
        String summary;
        var owned = new Owned();
        try {
            var rows = new StoredRows(owned.add(kernels.get(), Kernels::close));
            ConvertedModel converted =
                    owned.add(
                            quantize.open(source, target, this::isKept, origin()),
                            ConvertedModel::close);
            Optional<Calibration> calibration =
                    quantize instanceof Quantization.Smoothed
                            ? Optional.empty()
                            : text.map(
                                    each ->
                                            owned.add(
                                                    new Calibration(
                                                            model,
                                                            each,
                                                            kernels.get(),
                                                            maxCalibrationBytes,
                                                            terminal),
                                                    Calibration::close));
            List<ConvertedModel.Tensor> tensors = converted.tensors();
            Optional<InputScales.Rule> rule =
                    quantize instanceof Quantization.Smoothed smoothed
                            ? text.map(
                                    each ->
                                            new SmoothQuantRule(
                                                    new InputMaxima(
                                                            model, each, kernels.get(), terminal),
                                                    smoothed.smoothing(),
                                                    rows))
                            : calibration.map(each -> new AwqRule(each, rows));
            Optional<InputScales> scales =
                    links.flatMap(
                            each -> rule.map(chosen -> new InputScales(tensors, each, chosen)));
            for (int i = converted.done(); i < tensors.size(); i++) {
                ConvertedModel.Tensor tensor = tensors.get(i);
                terminal.progress("writing " + target.getFileName(), i, tensors.size());
                Factors factors =
                        new Factors(
                                scales.flatMap(each -> each.ofColumns(tensor.name())),
                                scales.flatMap(each -> each.ofRows(tensor.name())),
                                scales.map(each -> each.offset(tensor.name())).orElse(0f));
                Optional<RowFormat> format =
                        tensor.format().isEmpty() && factors.rows().isPresent()
                                ? Optional.of(RowFormat.of(tensor.source().type()))
                                : tensor.format();
                if (format.isEmpty()) {
                    converted.copy(i);
                    continue;
                }
                switch (format.get()) {
                    case PlainFormat plain ->
                            write(tensor, factors, plain::encode, rows, converted.begin(i));
                    case BlockFormat blocks -> {
                        Optional<ErrorFeedback> feedback =
                                method == Method.GPTQ
                                        ? calibration.flatMap(each -> each.of(tensor.name()))
                                        : Optional.empty();
                        if (text.isPresent() && feedback.isEmpty() && factors.columns().isEmpty()) {
                            uncalibrated.add(tensor.name());
                        }
                        var quantizer = new MatrixQuantizer(blocks, feedback);
                        int columns = tensor.source().columns();
                        write(
                                tensor,
                                factors,
                                values -> quantizer.quantize(values, columns),
                                rows,
                                converted.begin(i));
                    }
                }
            }
            converted.finish();
            summary = converted.summary();
        } catch (RuntimeException failure) {
            throw owned.closedAfter(failure);
        } finally {
            terminal.endLine();
        }
        owned.close();
        return report(summary, uncalibrated);
    }

    /// Returns which tensors take the divisors of inputs, if any are scaled.
    private Optional<ScaledLinks> links(String architecture) {
        if (quantize instanceof Quantization.Smoothed) {
            return Optional.of(
                    ScaledLinks.of(architecture, "--quantize=" + Quantization.SMOOTHED).ofNorms());
        }
        return method == Method.AWQ
                ? Optional.of(ScaledLinks.of(architecture, "--method=awq"))
                : Optional.empty();
    }

    private static void write(
            ConvertedModel.Tensor tensor,
            Factors factors,
            Function<float[], byte[]> encoder,
            StoredRows rows,
            ConvertedModel.Blocks blocks) {
        WeightMatrix matrix = tensor.source();
        int atOnce = Math.max(1, PIECE / matrix.columns());
        for (int from = 0; from < matrix.rows(); from += atOnce) {
            int to = Math.min(matrix.rows(), from + atOnce);
            int[] sources = IntStream.range(from, to).map(tensor.order()::row).toArray();
            float[] values =
                    matrix.columns() == 1 ? vector(matrix, sources) : rows.read(matrix, sources);
            factors.apply(values, sources, matrix.columns());
            if (tensor.added() != 0) {
                for (int i = 0; i < values.length; i++) {
                    values[i] += tensor.added();
                }
            }
            blocks.add(encoder.apply(values));
        }
        blocks.end();
    }

    private static float[] vector(WeightMatrix matrix, int[] sources) {
        float[] all = matrix.floats(0, matrix.rows());
        float[] values = new float[sources.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = all[sources[i]];
        }
        return values;
    }

    /// What a tensor is scaled by.
    ///
    /// @param columns factors of its columns
    /// @param rows divisors of its rows
    /// @param offset added to its values before they are divided, and subtracted afterwards
    private record Factors(Optional<float[]> columns, Optional<float[]> rows, float offset) {
        void apply(float[] values, int[] sources, int width) {
            for (int i = 0; i < values.length; i++) {
                if (columns.isPresent()) {
                    values[i] *= columns.get()[i % width];
                }
                if (rows.isPresent()) {
                    values[i] = (values[i] + offset) / rows.get()[sources[i / width]] - offset;
                }
            }
        }
    }

    /// Returns whether a tensor stays as it is, as vectors do, the taps of convolutions, what
    /// decides about experts and positions, and layers after pooling.
    private boolean isKept(WeightMatrix matrix) {
        return matrix.columns() == 1
                || matrix.rows() == 1
                || EXACT.matcher(matrix.name()).matches()
                || keep.stream().anyMatch(pattern -> Pattern.matches(glob(pattern), matrix.name()));
    }

    /// Refuses patterns of tensors to be kept that name none.
    private void requireMatches() {
        Set<String> names = Checkpoint.open(source).tensorNames();
        for (String pattern : keep) {
            Pattern glob = Pattern.compile(glob(pattern));
            if (names.stream().noneMatch(name -> glob.matcher(name).matches())) {
                throw new UnusableException(
                        "--keep=%s names no tensor of %s".formatted(pattern, source));
            }
        }
    }

    private static String glob(String pattern) {
        return "\\Q" + pattern.replace("*", "\\E.*\\Q") + "\\E";
    }

    /// Returns what the data depends on besides the source.
    private String origin() {
        return "%d %s keep=%s calibrate=%s tokens=%d%s"
                .formatted(
                        VERSION,
                        quantize,
                        keep,
                        calibrate.map(Conversion::describe).orElse("none"),
                        calibrate.isPresent() ? calibrationTokens : 0,
                        method == Method.AWQ ? " awq" : "");
    }

    private static String describe(Path file) {
        try {
            return Hashing.sha256().hashBytes(Files.readAllBytes(file)).toString();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private List<String> report(String summary, List<String> uncalibrated) {
        if (uncalibrated.isEmpty()) {
            return List.of(summary);
        }
        String reason =
                quantize instanceof Quantization.Smoothed
                        ? "their inputs come from no norm"
                        : method == Method.AWQ
                                ? "nothing before them takes their scales"
                                : "their inputs are not observed";
        return List.of(
                summary,
                "%d matrices, such as %s, were rounded without calibration: %s"
                        .formatted(uncalibrated.size(), uncalibrated.getFirst(), reason));
    }
}
