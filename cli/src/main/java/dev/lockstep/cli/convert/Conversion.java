// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import com.google.common.hash.Hashing;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CompressedLayout;
import dev.lockstep.checkpoint.ExpertConfig;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Owned;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.StoredRows;
import dev.lockstep.text.Tokenizers;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.function.Supplier;

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
    /// The most columns of a group of integers whose size is not given.
    public static final int GROUP_SIZE = 128;

    /// What quantizers of other results have another number of.
    private static final int VERSION = 6;

    public Conversion {
        if (quantize instanceof Quantization.Smoothed
                && (calibrate.isEmpty() || method != Method.ROUND)) {
            throw new IllegalArgumentException(
                    "%s needs texts and rounds weights, not %s".formatted(quantize, method));
        }
        if (quantize.needsScales() && (calibrate.isEmpty() || method.scales())) {
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
        kept().requireMatches(source);
        quantize.requireConvertible(source, kept());
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
                            .map(each -> maxima(model, each, _ -> false, kernels, terminal))
                            .map(maxima -> new StaticScales(maxima, experts));
            ConvertedModel converted =
                    owned.add(
                            quantize.open(source, target, kept(), fixed, origin()),
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
            // Where α is searched, by products of samples.
            Predicate<String> sampled =
                    quantize instanceof Quantization.Smoothed smoothed
                                    && smoothed.smoothing().isEmpty()
                            ? links.orElseThrow()::reads
                            : _ -> false;
            Optional<SmoothQuantRule> smooth =
                    quantize instanceof Quantization.Smoothed smoothed
                            ? text.map(each -> maxima(model, each, sampled, kernels, terminal))
                                    .map(
                                            maxima ->
                                                    new SmoothQuantRule(
                                                            maxima, smoothed.smoothing(), rows))
                            : Optional.empty();
            Optional<InputScales.Rule> rule =
                    smooth.<InputScales.Rule>map(each -> each)
                            .or(() -> calibration.map(each -> new AwqRule(each, rows)));
            List<List<TensorPart>> parts =
                    tensors.stream().map(each -> TensorPart.of(each, experts)).toList();
            List<TensorPart> all = parts.stream().flatMap(List::stream).toList();
            var writer =
                    new TensorWriter(
                            converted,
                            this,
                            rows,
                            calibration,
                            fixed,
                            links.flatMap(
                                    each -> rule.map(chosen -> new InputScales(all, each, chosen))),
                            uncalibrated);
            for (int i = converted.done(); i < tensors.size(); i++) {
                terminal.progress("writing " + target.getFileName(), i, tensors.size());
                writer.write(i, tensors.get(i), parts.get(i));
            }
            converted.finish();
            report.add(converted.summary());
            report.addAll(converted.notes());
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

    /// Opens kernels for the texts alone.
    private static InputMaxima maxima(
            ModelSource model,
            CalibrationText text,
            Predicate<String> sampled,
            Supplier<Kernels> kernels,
            Terminal terminal) {
        return new InputMaxima(model, text, sampled, kernels.get(), terminal);
    }

    /// Returns which tensors take the divisors of inputs, if any are scaled.
    private Optional<ScaledLinks> links(String architecture, int experts) {
        if (quantize instanceof Quantization.Smoothed) {
            return Optional.of(
                    ScaledLinks.of(architecture, experts, "--quantize=" + Quantization.SMOOTHED)
                            .ofNorms());
        }
        return method.scales()
                ? Optional.of(ScaledLinks.of(architecture, experts, "--method=" + method.word()))
                : Optional.empty();
    }

    private KeptTensors kept() {
        return new KeptTensors(keep);
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

    /// Returns this conversion with another target.
    Conversion to(Path other) {
        return new Conversion(source, other, quantize, keep, calibrate, calibrationTokens, method);
    }

    /// Returns this conversion with the largest groups of up to [#GROUP_SIZE] columns that divide
    /// the rows of all matrices, if it has groups.
    public Conversion withFittingGroups() {
        if (!(quantize instanceof Quantization.Folder folder)
                || !(folder.layout() instanceof CompressedLayout.Groups groups)) {
            return this;
        }
        int size = FolderModel.largestGroups(source, kept());
        Quantization fitting =
                new Quantization.Folder(
                        new CompressedLayout.Groups(groups.bits(), size, groups.zeroPoints()),
                        folder.cacheScales());
        return new Conversion(source, target, fitting, keep, calibrate, calibrationTokens, method);
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
