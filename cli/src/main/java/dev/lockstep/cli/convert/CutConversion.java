// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CutRewrite;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.model.ModelSource;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Supplier;
import java.util.stream.Stream;

/// What a conversion is asked for whose target is cut for ranks, its layers divided into stages.
///
/// Matrices are cut as ranks pack them. With a quantization the whole model is converted first,
/// into a folder within the target that is removed afterwards: so a rank has the same codes and
/// scales as from the whole folder.
///
/// @param quantize of the whole model; its target is not used
public record CutConversion(
        Path source, Path target, int ranks, int stages, Optional<Conversion> quantize) {
    private static final String WHOLE = ".whole-";

    /// Checks everything that can be checked before the target is written, then writes it.
    ///
    /// @param kernels opens the kernels of one model
    /// @param maxCalibrationBytes of products of inputs that are kept at a time
    /// @return lines that say what was written
    public List<String> run(
            Supplier<Kernels> kernels, long maxCalibrationBytes, Terminal terminal) {
        Conversion.requireOther(source, target);
        if (Files.exists(CutRewrite.complete(target))) {
            return List.of(finishEarlier());
        }
        CutRewrite cut = cut(source);
        List<String> report = new ArrayList<>();
        if (quantize.isPresent()) {
            Conversion whole = whole(quantize.get());
            if (!Files.exists(whole.quantize().complete(whole.target()))) {
                String folder = whole.target().toString();
                whole.run(kernels, maxCalibrationBytes, terminal).stream()
                        .map(line -> line.replace(folder, target.toString()))
                        .forEach(report::add);
            }
            cut = cut(whole.target());
        }
        try {
            report.add(
                    cut.write(
                            (tensors, all) ->
                                    terminal.progress(
                                            "writing " + target.getFileName(), tensors, all)));
        } finally {
            terminal.endLine();
        }
        // Every rank finds what it reads.
        ModelSource.open(target).requireLoadable(ranks);
        removeWhole();
        return report;
    }

    /// Removes what a run has left that was interrupted after its last file. Refuses the target
    /// unless that run was this one.
    private String finishEarlier() {
        boolean own =
                quantize.map(each -> Files.exists(whole(each).target())).orElse(false)
                        && Checkpoint.open(target).cutRanks().equals(OptionalInt.of(ranks));
        removeWhole();
        if (!own) {
            throw new UnusableException(
                    "%s exists: remove it first".formatted(CutRewrite.complete(target)));
        }
        ModelSource.open(target).requireLoadable(ranks);
        return "%s: cut %s".formatted(target, Checkpoint.open(target).cut().orElseThrow());
    }

    private CutRewrite cut(Path whole) {
        ModelSource model = ModelSource.open(whole);
        Conversion.requireWhole(model, whole);
        if (ranks > model.config().attention().headCount()) {
            throw new UnusableException(
                    "--ranks=%d: must be between 1 and the %d query heads of %s"
                            .formatted(ranks, model.config().attention().headCount(), source));
        }
        return CutRewrite.of(whole, target, model.requireLoadable(ranks).reads(ranks), stages);
    }

    /// Returns the conversion of the whole model. The name of its folder tells from what it is
    /// made, so that an interrupted run goes on with what it has left.
    private Conversion whole(Conversion quantizing) {
        try {
            Files.createDirectories(target);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return quantizing.to(target.resolve(WHOLE + quantizing.key()));
    }

    private void removeWhole() {
        try (Stream<Path> files = Files.list(target)) {
            for (Path each : files.toList()) {
                if (String.valueOf(each.getFileName()).startsWith(WHOLE)) {
                    remove(each);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void remove(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path each : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(each);
            }
        }
    }
}
