// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.convert.Conversion;
import dev.lockstep.cli.convert.Target;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.HostCpus;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// Writes a GGUF model anew with quantized matrices; computes on the CPU, in this process.
final class ConvertCommand extends Command {
    private static final Key<String> QUANTIZE =
            Key.text("quantize", Target.words(), "the type of the matrices in TARGET");
    private static final Key<List<String>> KEEP =
            Key.texts(
                            "keep",
                            "names of tensors as inspect prints them, with * for any characters, separated by commas",
                            "tensors that stay as they are; vectors always do")
                    .orElseComputed("none");
    private static final Key<String> CALIBRATE =
            Key.text(
                            "calibrate",
                            "a file of lines {\"text\": …}",
                            "pass errors on to other weights, so that outputs for these texts change least")
                    .orElseComputed("round each weight");
    private static final Key<Integer> CALIBRATION_TOKENS =
            Key.integer(
                            "calibration-tokens",
                            1,
                            1 << 24,
                            "limit of tokens read from the file of --calibrate")
                    .orElse("32768");

    private static final SettingsSpec SPEC =
            SettingsSpec.of(QUANTIZE, KEEP, CALIBRATE, CALIBRATION_TOKENS, ProcessKeys.THREADS)
                    .takingArguments("SOURCE TARGET");

    ConvertCommand() {
        super(
                "convert",
                """
                SOURCE TARGET.gguf --quantize=TYPE

                Writes the GGUF model SOURCE anew with matrices of another type. A run that was interrupted goes
                on where it stopped when it is started again.\
                """,
                "write a GGUF model anew with quantized matrices",
                SPEC);
    }

    @Override
    int run(List<String> arguments) throws InterruptedException {
        Settings settings = settings(arguments);
        if (settings.arguments().size() != 2) {
            throw new SettingsException(
                    "name the model to read and the file to write: SOURCE TARGET.gguf");
        }
        if (!settings.isGiven(QUANTIZE)) {
            throw new SettingsException("--quantize is missing: the type of the matrices");
        }
        Path target = Path.of(settings.arguments().get(1));
        Terminal terminal = Terminal.standardError();
        ModelChoice source =
                ModelChoice.ofUser("SOURCE", settings.arguments().getFirst(), terminal);
        for (Path path : List.of(source.path(), target)) {
            if (!path.toString().endsWith(".gguf")) {
                throw new SettingsException(
                        "%s is not a .gguf file: other forms are not converted".formatted(path));
            }
        }
        int threads =
                settings.isGiven(ProcessKeys.THREADS)
                        ? settings.value(ProcessKeys.THREADS)
                        : HostCpus.ofProcess().count();
        var conversion =
                new Conversion(
                        source.path(),
                        target,
                        target(settings.value(QUANTIZE)),
                        settings.isGiven(KEEP) ? settings.value(KEEP) : List.of(),
                        settings.isGiven(CALIBRATE)
                                ? Optional.of(Path.of(settings.value(CALIBRATE)))
                                : Optional.empty(),
                        settings.value(CALIBRATION_TOKENS));
        conversion
                .run(
                        () -> CpuKernels.open(CpuOptions.ofThreads(threads)),
                        Runtime.getRuntime().maxMemory() / 3,
                        terminal)
                .forEach(System.out::println);
        return ExitCode.OK;
    }

    private static Target target(String word) {
        return Target.of(word)
                .orElseThrow(
                        () ->
                                new SettingsException(
                                        "--quantize: \"%s\" is none of %s"
                                                .formatted(
                                                        word, Target.words().replace("|", ", "))));
    }
}
