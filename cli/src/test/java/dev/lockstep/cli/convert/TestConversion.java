// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.evaluate.Evaluating;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.model.LoadSettings;
import dev.lockstep.model.LocalModel;
import dev.lockstep.model.ModelSource;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/// What tests of conversions run with, and how they compare models.
final class TestConversion {
    /// Ids of the smallest vocabulary.
    static final int[] SHORT_IDS = {5, 77, 12, 30, 9, 41, 80, 3};

    private TestConversion() {}

    static Kernels kernels() {
        return CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning());
    }

    static Terminal quiet() {
        return new Terminal(new PrintStream(new ByteArrayOutputStream()), false);
    }

    /// Returns the conversion that rounds to a type, integers in groups of 32.
    static Conversion rounding(Path source, Path target, String type, List<String> keep) {
        return new Conversion(
                source,
                target,
                Quantization.of(type, 32, 0.5f).orElseThrow(),
                keep,
                Optional.empty(),
                512,
                Method.ROUND);
    }

    static List<String> run(Conversion conversion) {
        return conversion.run(TestConversion::kernels, 1L << 30, quiet());
    }

    /// Returns the logits after a prompt.
    static float[] logits(Path path, int[] prompt) {
        return after(path, prompt, model -> model.logits(prompt.length - 1, prompt.length)[0]);
    }

    /// Returns what a model has after a prompt.
    static <T> T after(Path path, int[] prompt, Function<LocalModel, T> result) {
        try (LocalModel model =
                LocalModel.load(
                        ModelSource.open(path), kernels(), 64, LoadSettings.Progress.none())) {
            model.run(prompt);
            return result.apply(model);
        }
    }

    /// Writes texts to calibrate with.
    static Path text(Path folder) throws IOException {
        return Files.writeString(
                folder.resolve("text.jsonl"),
                "{\"text\": \"%s\"}%n".formatted("one rank after the other ".repeat(30)).repeat(3));
    }

    /// Returns the mean KL divergence of the next token from `source` to `target`, over a text.
    ///
    /// @param folder for the file of the text
    static double divergence(Path source, Path target, String text, Path folder)
            throws IOException {
        Path file = Files.writeString(folder.resolve("text.txt"), text);
        String report =
                new Evaluating(
                                new ModelChoice(target, "target"),
                                Optional.of(new ModelChoice(source, "source")),
                                file,
                                64,
                                3,
                                false)
                        .run(TestConversion::kernels, quiet())
                        .json();
        return new ObjectMapper().readTree(report).at("/kl_divergence/mean").doubleValue();
    }
}
