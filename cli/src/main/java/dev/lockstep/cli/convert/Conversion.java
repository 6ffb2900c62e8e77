// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.GgufRewrite;
import dev.lockstep.checkpoint.TensorType;
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
import dev.lockstep.text.Tokenizers;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.regex.Pattern;

/// What a conversion is asked for.
///
/// @param keep patterns of the names of tensors that stay as they are
/// @param calibrate lines `{"text": …}`, if errors are to be passed on
/// @param calibrationTokens what is read of them at most
public record Conversion(
        Path source,
        Path target,
        Target quantize,
        List<String> keep,
        Optional<Path> calibrate,
        int calibrationTokens) {
    /// Values that are quantized at once.
    private static final int PIECE = 1 << 22;

    /// Checks everything that can be checked before the target is written, then writes it.
    ///
    /// @param kernels opens the kernels of one model
    /// @param maxCalibrationBytes of products of inputs that are kept at a time
    /// @return lines that say what was written
    public List<String> run(
            Supplier<Kernels> kernels, long maxCalibrationBytes, Terminal terminal) {
        if (Files.exists(target)) {
            throw new UnusableException("%s exists: remove it first".formatted(target));
        }
        ModelSource model = ModelSource.open(source).requireLoadable(1);
        Optional<CalibrationText> text =
                calibrate.map(
                        file ->
                                CalibrationText.read(
                                        file, Tokenizers.of(model.tokenizer()), calibrationTokens));
        List<String> uncalibrated = new ArrayList<>();
        List<GgufRewrite.Tensor> tensors;
        var owned = new Owned();
        try {
            var rows = new StoredRows(owned.add(kernels.get(), Kernels::close));
            GgufRewrite rewrite =
                    owned.add(
                            GgufRewrite.open(
                                    source, target, this::type, quantize.fileType(), origin()),
                            GgufRewrite::close);
            Optional<Calibration> calibration =
                    text.map(
                            each ->
                                    owned.add(
                                            new Calibration(
                                                    model,
                                                    each,
                                                    kernels.get(),
                                                    maxCalibrationBytes,
                                                    terminal),
                                            Calibration::close));
            tensors = rewrite.tensors();
            for (GgufRewrite.Tensor tensor : tensors.subList(rewrite.done(), tensors.size())) {
                terminal.progress(
                        "writing " + target.getFileName(),
                        tensor.start(),
                        tensors.getLast().start());
                if (tensor.type().isEmpty()) {
                    rewrite.copy(tensor);
                    continue;
                }
                Optional<ErrorFeedback> feedback =
                        calibration.flatMap(each -> each.of(tensor.name()));
                if (calibration.isPresent() && feedback.isEmpty()) {
                    uncalibrated.add(tensor.name());
                }
                rewrite.write(tensor, quantized(tensor, rows, feedback));
            }
            rewrite.finish();
        } catch (RuntimeException failure) {
            throw owned.closedAfter(failure);
        } finally {
            terminal.endLine();
        }
        owned.close();
        return report(tensors, uncalibrated);
    }

    private MemorySegment quantized(
            GgufRewrite.Tensor tensor, StoredRows rows, Optional<ErrorFeedback> feedback) {
        WeightMatrix matrix = tensor.source();
        var quantizer = new MatrixQuantizer(BlockFormat.of(tensor.type().orElseThrow()), feedback);
        int atOnce = Math.max(1, PIECE / matrix.columns());
        var bytes = new ByteArrayOutputStream(Math.toIntExact(tensor.bytes()));
        for (int from = 0; from < matrix.rows(); from += atOnce) {
            int to = Math.min(matrix.rows(), from + atOnce);
            bytes.writeBytes(quantizer.quantize(rows.read(matrix, from, to), matrix.columns()));
        }
        return MemorySegment.ofArray(bytes.toByteArray());
    }

    /// Returns the type of a tensor in the target; empty for vectors and for what stays.
    private Optional<TensorType> type(WeightMatrix matrix) {
        boolean vector = matrix.columns() == 1 || matrix.rows() == 1;
        TensorType type = quantize.typeOf(matrix.columns());
        if (vector || kept(matrix.name()) || matrix.columns() % type.blockSize() != 0) {
            return Optional.empty();
        }
        return Optional.of(type);
    }

    private boolean kept(String name) {
        return keep.stream().anyMatch(pattern -> Pattern.matches(glob(pattern), name));
    }

    private static String glob(String pattern) {
        return "\\Q" + pattern.replace("*", "\\E.*\\Q") + "\\E";
    }

    /// Returns what the data depends on besides the source.
    private String origin() {
        return "%s keep=%s calibrate=%s tokens=%d"
                .formatted(
                        quantize.word(),
                        keep,
                        calibrate.map(Conversion::describe).orElse("none"),
                        calibrate.isPresent() ? calibrationTokens : 0);
    }

    private static String describe(Path file) {
        return file.getFileName() + " of " + file.toFile().length() + " bytes";
    }

    private List<String> report(List<GgufRewrite.Tensor> tensors, List<String> uncalibrated) {
        var types = new TreeMap<TensorType, Integer>();
        tensors.forEach(
                each -> types.merge(each.type().orElse(each.source().type()), 1, Integer::sum));
        List<String> lines = new ArrayList<>();
        lines.add(
                "%s: %s, tensors by type %s"
                        .formatted(target, Terminal.bytes(target.toFile().length()), types));
        if (!uncalibrated.isEmpty()) {
            lines.add(
                    "%d matrices, such as %s, were rounded without calibration: their inputs are not observed"
                            .formatted(uncalibrated.size(), uncalibrated.getFirst()));
        }
        return lines;
    }
}
