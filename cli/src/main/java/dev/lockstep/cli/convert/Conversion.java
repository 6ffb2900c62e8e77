// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import com.google.common.hash.Hashing;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.ExpertConfig;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Owned;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.ObservedProducts;
import dev.lockstep.model.StoredRows;
import dev.lockstep.model.quant.BlockFormat;
import dev.lockstep.model.quant.MatrixQuantizer;
import dev.lockstep.model.quant.PlainFormat;
import dev.lockstep.model.quant.RowFormat;
import dev.lockstep.model.quant.Smoothing;
import dev.lockstep.text.Tokenizers;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
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
/// @param method how weights are chosen; [Method#ROUND] without texts, and with
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
    private static final int VERSION = 5;

    /// Values that are quantized at once.
    private static final int PIECE = 1 << 22;

    public Conversion {
        if (quantize instanceof Quantization.Smoothed
                && (calibrate.isEmpty() || method != Method.ROUND)) {
            throw new IllegalArgumentException(
                    "%s needs texts and rounds weights, not %s".formatted(quantize, method));
        }
        if (quantize.needsScales() && (calibrate.isEmpty() || method == Method.AWQ)) {
            throw new IllegalArgumentException(
                    "%s needs texts and the model's own inputs, not those of %s"
                            .formatted(quantize, method));
        }
    }

    /// Checks everything that can be checked before the target is written, then writes it.
    ///
    /// @param kernels opens the kernels of one model
    /// @param maxCalibrationBytes of products of inputs that are kept at a time
    /// @return lines that say what was written
    public List<String> run(
            Supplier<Kernels> kernels, long maxCalibrationBytes, Terminal terminal) {
        requireOther(source, target);
        if (Files.exists(quantize.complete(target))) {
            throw new UnusableException(
                    "%s exists: remove it first".formatted(quantize.complete(target)));
        }
        ModelSource model = ModelSource.open(source);
        requireWhole(model, source);
        model.requireLoadable(1);
        requireMatches();
        quantize.requireConvertible(source, this::isKept);
        requireCache(model.config());
        int experts = model.config().details().experts().map(ExpertConfig::count).orElse(0);
        Optional<ScaledLinks> links = links(model.config().architecture(), experts);
        Optional<CalibrationText> text =
                calibrate.map(
                        file ->
                                CalibrationText.read(
                                        file, Tokenizers.of(model.tokenizer()), calibrationTokens));
        var uncalibrated = new Uncalibrated();
        List<String> report = new ArrayList<>();
        var owned = new Owned();
        try {
            var rows = new StoredRows(owned.add(kernels.get(), Kernels::close));
            Optional<StaticScales> fixed =
                    text.filter(_ -> quantize.needsScales())
                            .map(
                                    each ->
                                            new StaticScales(
                                                    new InputMaxima(
                                                            model,
                                                            each,
                                                            _ -> false,
                                                            kernels.get(),
                                                            terminal),
                                                    experts));
            ConvertedModel converted =
                    owned.add(
                            quantize.open(source, target, this::isKept, fixed, origin()),
                            ConvertedModel::close);
            Optional<Calibration> calibration =
                    method == Method.ROUND
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
            Optional<SmoothQuantRule> smooth =
                    quantize instanceof Quantization.Smoothed smoothed
                            ? text.map(
                                    each ->
                                            smoothQuant(
                                                    smoothed.smoothing(),
                                                    new InputMaxima(
                                                            model,
                                                            each,
                                                            smoothed.smoothing().isEmpty()
                                                                    ? links.orElseThrow()::reads
                                                                    : _ -> false,
                                                            kernels.get(),
                                                            terminal),
                                                    rows))
                            : Optional.empty();
            Optional<InputScales.Rule> rule =
                    smooth.<InputScales.Rule>map(each -> each)
                            .or(() -> calibration.map(each -> new AwqRule(each, rows)));
            List<List<TensorPart>> parts =
                    tensors.stream().map(each -> TensorPart.of(each, experts)).toList();
            List<TensorPart> all = parts.stream().flatMap(List::stream).toList();
            Optional<InputScales> scales =
                    links.flatMap(each -> rule.map(chosen -> new InputScales(all, each, chosen)));
            for (int i = converted.done(); i < tensors.size(); i++) {
                ConvertedModel.Tensor tensor = tensors.get(i);
                terminal.progress("writing " + target.getFileName(), i, tensors.size());
                List<Factors> factors =
                        parts.get(i).stream()
                                .map(part -> scales.map(each -> each.of(part)).orElse(Factors.NONE))
                                .toList();
                Optional<RowFormat> format =
                        tensor.format().isEmpty() && factors.stream().anyMatch(Factors::isPresent)
                                ? Optional.of(RowFormat.of(tensor.source().type()))
                                : tensor.format();
                if (format.isEmpty()) {
                    converted.copy(i);
                    continue;
                }
                ConvertedModel.Blocks blocks = converted.begin(i);
                for (int p = 0; p < factors.size(); p++) {
                    TensorPart part = parts.get(i).get(p);
                    Function<float[], byte[]> encoder = encoder(part, format.get(), calibration);
                    if (format.get() instanceof BlockFormat) {
                        uncalibrated.add(
                                part.name(), reason(part, factors.get(p), calibration, fixed));
                    }
                    write(part, factors.get(p), encoder, rows, blocks);
                }
                blocks.end();
            }
            converted.finish();
            report.add(converted.summary());
            smooth.flatMap(SmoothQuantRule::report).ifPresent(report::add);
        } catch (RuntimeException failure) {
            throw owned.closedAfter(failure);
        } finally {
            terminal.endLine();
        }
        owned.close();
        report.addAll(uncalibrated.lines());
        return report;
    }

    private static SmoothQuantRule smoothQuant(
            Optional<Smoothing> fixed, InputMaxima inputs, StoredRows rows) {
        return new SmoothQuantRule(inputs, fixed, rows, new LinkedHashMap<>());
    }

    private Function<float[], byte[]> encoder(
            TensorPart part, RowFormat format, Optional<Calibration> calibration) {
        return switch (format) {
            case PlainFormat plain -> plain::encode;
            case BlockFormat blocks -> {
                var quantizer =
                        new MatrixQuantizer(
                                blocks,
                                method == Method.GPTQ
                                        ? calibration.flatMap(each -> each.of(part.name()))
                                        : Optional.empty());
                yield values -> quantizer.quantize(values, part.columns());
            }
        };
    }

    /// Returns why the texts do not decide how a matrix is quantized; empty if they do.
    private Optional<String> reason(
            TensorPart part,
            Factors factors,
            Optional<Calibration> calibration,
            Optional<StaticScales> fixed) {
        if (calibrate.isEmpty() || factors.columns().isPresent()) {
            return Optional.empty();
        }
        if (quantize instanceof Quantization.Smoothed) {
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

    /// Returns which tensors take the divisors of inputs, if any are scaled.
    private Optional<ScaledLinks> links(String architecture, int experts) {
        if (quantize instanceof Quantization.Smoothed) {
            return Optional.of(
                    ScaledLinks.of(architecture, experts, "--quantize=" + Quantization.SMOOTHED)
                            .ofNorms());
        }
        return method == Method.AWQ
                ? Optional.of(ScaledLinks.of(architecture, experts, "--method=awq"))
                : Optional.empty();
    }

    private static void write(
            TensorPart part,
            Factors factors,
            Function<float[], byte[]> encoder,
            StoredRows rows,
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

    /// Returns whether a tensor stays as it is, as vectors do, the taps of convolutions, what
    /// decides about experts and positions, and layers after pooling.
    private boolean isKept(WeightMatrix matrix) {
        return matrix.columns() == 1
                || matrix.rows() == 1
                || EXACT.matcher(matrix.name()).matches()
                || keep.stream().anyMatch(pattern -> Pattern.matches(glob(pattern), matrix.name()));
    }

    /// Refuses to write a model over itself.
    static void requireOther(Path source, Path target) {
        try {
            if (Files.exists(target) && Files.isSameFile(source, target)) {
                throw new UnusableException(
                        "TARGET is SOURCE, %s: name another one".formatted(source));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Refuses a model that was cut for ranks.
    static void requireWhole(ModelSource model, Path source) {
        if (model.cutRanks().isPresent()) {
            throw new UnusableException(source + " is cut for ranks: convert the original model");
        }
    }

    /// Refuses scales of keys and values for a model that stores none for which they are.
    private void requireCache(ModelConfig config) {
        if (!(quantize instanceof Quantization.Folder folder) || !folder.cacheScales()) {
            return;
        }
        if (config.attention().latent().isPresent() || config.details().encoder().isPresent()) {
            throw new UnusableException(
                    "--kv-scales: %s keeps no keys and values of heads"
                            .formatted(config.architecture()));
        }
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

    /// Returns this conversion with another target.
    Conversion to(Path other) {
        return new Conversion(source, other, quantize, keep, calibrate, calibrationTokens, method);
    }

    /// Returns a short digest of the source and of what else the data depends on.
    String key() {
        String all = Checkpoint.open(source).digest() + " " + origin();
        return Hashing.sha256().hashString(all, StandardCharsets.UTF_8).toString().substring(0, 16);
    }

    /// Returns what the data depends on besides the source.
    private String origin() {
        return "%d %s keep=%s calibrate=%s tokens=%d method=%s"
                .formatted(
                        VERSION,
                        quantize,
                        keep,
                        calibrate.map(Conversion::describe).orElse("none"),
                        calibrate.isPresent() ? calibrationTokens : 0,
                        method);
    }

    private static String describe(Path file) {
        try {
            return Hashing.sha256().hashBytes(Files.readAllBytes(file)).toString();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
