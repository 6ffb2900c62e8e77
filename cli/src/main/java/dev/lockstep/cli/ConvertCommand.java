// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.checkpoint.CompressedLayout;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.convert.Conversion;
import dev.lockstep.cli.convert.CutConversion;
import dev.lockstep.cli.convert.Method;
import dev.lockstep.cli.convert.Quantization;
import dev.lockstep.cli.convert.Target;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.HostCpus;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.kernels.Kernels;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/// Writes a model anew with quantized matrices; computes on the CPU, in this process.
final class ConvertCommand extends Command {
    private static final String NONE = "none";
    private static final Key<String> QUANTIZE =
            Key.text("quantize", Quantization.words(), "the type of the matrices in TARGET");
    private static final Key<Integer> GROUP_SIZE =
            Key.integer(
                            "group-size",
                            CompressedLayout.Groups.SMALLEST,
                            1 << 16,
                            "columns that share a scale, for int4 and int8; a multiple of 32")
                    .orElseComputed("128, or 64 or 32 where larger groups do not divide all rows");
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
                            "texts for which outputs are to change least")
                    .orElseComputed("round each weight");
    private static final Key<String> METHOD =
            Key.text(
                            "method",
                            Method.words(),
                            "how weights are chosen: gptq passes errors on to other weights, awq scales columns with large inputs, awq-gptq does both; they need --calibrate")
                    .orElseComputed("gptq with --calibrate, else round");
    private static final Key<Integer> CALIBRATION_TOKENS =
            Key.integer(
                            "calibration-tokens",
                            1,
                            1 << 24,
                            "limit of tokens read from the file of --calibrate")
                    .orElse("32768");

    private static final Key<String> SMOOTH_ALPHA =
            Key.text(
                            "smooth-alpha",
                            "auto|NUMBER",
                            "how much of the range of inputs weights take, from 0 to 1, for smoothquant-w8a8; auto: for each layer what changes its outputs for the texts least")
                    .orElse("0.5");

    private static final Key<Boolean> ASYMMETRIC =
            Key.flag("asymmetric", "give each group a zero point, for int4");

    private static final Key<Boolean> STATIC_ACTIVATIONS =
            Key.flag(
                    "static-activations",
                    "write the scale of each matrix's inputs, for fp8 with --calibrate");

    private static final Key<Boolean> KV_SCALES =
            Key.flag(
                    "kv-scales",
                    "write the scales of each layer's keys and values for an FP8 cache, for fp8 with --calibrate");

    private static final Key<Integer> RANKS =
            Key.integer(
                            "ranks",
                            1,
                            1 << 10,
                            "cut a folder for this number of ranks: a worker with this --tensor-parallel reads its own files only")
                    .orElseComputed("a folder or file for any number");
    private static final Key<Integer> STAGES =
            Key.integer(
                            "stages",
                            1,
                            1 << 16,
                            "divide the files of each rank by layers into this number of stages")
                    .orElse("1");

    /// What is said of a quantization.
    private static final List<Key<?>> NOT_OF_NONE =
            List.of(
                    GROUP_SIZE,
                    KEEP,
                    CALIBRATE,
                    METHOD,
                    CALIBRATION_TOKENS,
                    SMOOTH_ALPHA,
                    ASYMMETRIC,
                    STATIC_ACTIVATIONS,
                    KV_SCALES);

    private static final SettingsSpec SPEC =
            SettingsSpec.of(
                            RANKS,
                            STAGES,
                            QUANTIZE,
                            GROUP_SIZE,
                            KEEP,
                            CALIBRATE,
                            METHOD,
                            CALIBRATION_TOKENS,
                            SMOOTH_ALPHA,
                            ASYMMETRIC,
                            STATIC_ACTIVATIONS,
                            KV_SCALES,
                            ProcessKeys.THREADS)
                    .takingArguments("SOURCE TARGET");

    ConvertCommand() {
        super(
                "convert",
                """
                SOURCE TARGET --quantize=TYPE [--ranks=N]

                Writes SOURCE anew with matrices of another type: a .gguf file or a folder as a .gguf file
                (none: a folder's matrices keep their types), a folder as a folder with int4, int8, fp8,
                mxfp4 or smoothquant-w8a8 as compressed-tensors stores them. With --ranks or --stages
                TARGET is a folder whose files have the parts of single ranks and layers of single
                stages; without --quantize its matrices keep their types. A run that was interrupted
                goes on where it stopped when it is started again.\
                """,
                "write a model anew with quantized matrices",
                SPEC);
    }

    @Override
    int run(List<String> arguments) throws InterruptedException {
        Settings settings = settings(arguments);
        if (settings.arguments().size() != 2) {
            throw new SettingsException(
                    "name the model to read and the one to write: SOURCE TARGET");
        }
        boolean cut = settings.isGiven(RANKS) || settings.isGiven(STAGES);
        if (!settings.isGiven(QUANTIZE) && !cut) {
            throw new SettingsException("--quantize is missing: the type of the matrices");
        }
        String word = settings.isGiven(QUANTIZE) ? settings.value(QUANTIZE) : NONE;
        if (cut && word.equals(NONE)) {
            requireNoUse(settings);
        }
        Path target = Path.of(settings.arguments().get(1));
        Terminal terminal = Terminal.standardError();
        Quantization quantize = quantization(settings, word);
        requireForm(word, quantize, Path.of(settings.arguments().getFirst()), target, cut);
        requireUse(settings, quantize);
        Method method = method(settings, quantize);
        ModelChoice source =
                ModelChoice.ofUser("SOURCE", settings.arguments().getFirst(), terminal);
        requireForm(word, quantize, source.path(), target, cut);
        int threads = settings.find(ProcessKeys.THREADS).orElse(HostCpus.ofProcess().count());
        Conversion conversion =
                new Conversion(
                        source.path(),
                        target,
                        quantize,
                        settings.isGiven(KEEP) ? settings.value(KEEP) : List.of(),
                        settings.isGiven(CALIBRATE)
                                ? Optional.of(Path.of(settings.value(CALIBRATE)))
                                : Optional.empty(),
                        settings.value(CALIBRATION_TOKENS),
                        method);
        if (!settings.isGiven(GROUP_SIZE)) {
            conversion = conversion.withFittingGroups();
        }
        Supplier<Kernels> kernels = () -> ToolKernels.open(threads, terminal);
        long calibrationBytes = Runtime.getRuntime().maxMemory() / 3;
        List<String> report =
                cut
                        ? new CutConversion(
                                        source.path(),
                                        target,
                                        settings.isGiven(RANKS) ? settings.value(RANKS) : 1,
                                        settings.value(STAGES),
                                        Optional.of(conversion).filter(_ -> !word.equals(NONE)))
                                .run(kernels, calibrationBytes, terminal)
                        : conversion.run(kernels, calibrationBytes, terminal);
        report.forEach(System.out::println);
        return ExitCode.OK;
    }

    private static Quantization quantization(Settings settings, String word) {
        int groupSize = settings.find(GROUP_SIZE).orElse(Conversion.GROUP_SIZE);
        Quantization quantize =
                Quantization.of(word, groupSize, alpha(settings.value(SMOOTH_ALPHA)).orElse(0f))
                        .orElseThrow(() -> unknown(word));
        if (quantize instanceof Quantization.Smoothed
                && alpha(settings.value(SMOOTH_ALPHA)).isEmpty()) {
            quantize = new Quantization.Smoothed(Optional.empty());
        }
        if (settings.value(ASYMMETRIC)) {
            if (!settings.value(QUANTIZE).equals("int4")) {
                throw new SettingsException(
                        "--asymmetric is for int4, not for --quantize=%s"
                                .formatted(settings.value(QUANTIZE)));
            }
            quantize = new Quantization.Folder(new CompressedLayout.Groups(4, groupSize, true));
        }
        boolean activations = settings.value(STATIC_ACTIVATIONS);
        boolean cache = settings.value(KV_SCALES);
        if (!activations && !cache) {
            return quantize;
        }
        String flag = "--" + (activations ? STATIC_ACTIVATIONS : KV_SCALES).name();
        if (!(quantize instanceof Quantization.Folder folder)
                || !(folder.layout() instanceof CompressedLayout.Fp8)) {
            throw new SettingsException(
                    "%s is for fp8, not for --quantize=%s".formatted(flag, word));
        }
        if (!settings.isGiven(CALIBRATE)) {
            throw new SettingsException(flag + " needs --calibrate");
        }
        return new Quantization.Folder(new CompressedLayout.Fp8(activations), cache);
    }

    /// Returns an alpha of all layers; empty for `auto`.
    private static Optional<Float> alpha(String word) {
        if (word.equals("auto")) {
            return Optional.empty();
        }
        float alpha;
        try {
            alpha = Float.parseFloat(word);
        } catch (NumberFormatException _) {
            throw new SettingsException(
                    "--smooth-alpha: \"%s\" is neither auto nor a number".formatted(word));
        }
        if (!(alpha >= 0 && alpha <= 1)) {
            throw new SettingsException("--smooth-alpha: %s is outside [0.0, 1.0]".formatted(word));
        }
        return Optional.of(alpha);
    }

    /// Refuses settings of other quantizations.
    private static void requireUse(Settings settings, Quantization quantize) {
        boolean groups =
                quantize instanceof Quantization.Folder folder
                        && folder.layout() instanceof CompressedLayout.Groups;
        if (settings.isGiven(GROUP_SIZE) && !groups) {
            throw new SettingsException(
                    "--group-size is for int4 and int8; --quantize=%s has groups of its own"
                            .formatted(settings.value(QUANTIZE)));
        }
        if (settings.isGiven(SMOOTH_ALPHA) && !(quantize instanceof Quantization.Smoothed)) {
            throw new SettingsException(
                    "--smooth-alpha is for %s; --quantize=%s smooths nothing"
                            .formatted(Quantization.SMOOTHED, settings.value(QUANTIZE)));
        }
    }

    /// Refuses settings of quantizations where matrices keep their types.
    private static void requireNoUse(Settings settings) {
        for (Key<?> each : NOT_OF_NONE) {
            if (settings.isGiven(each)) {
                throw new SettingsException(
                        "--%s is for matrices that are quantized: name their type by --quantize"
                                .formatted(each.name()));
            }
        }
    }

    private static Method method(Settings settings, Quantization quantize) {
        boolean texts = settings.isGiven(CALIBRATE);
        if (quantize instanceof Quantization.Smoothed) {
            if (settings.isGiven(METHOD)) {
                throw new SettingsException(
                        "--quantize=%s is a method of its own: leave --method out"
                                .formatted(Quantization.SMOOTHED));
            }
            if (!texts) {
                throw new SettingsException(
                        "--quantize=%s needs --calibrate".formatted(Quantization.SMOOTHED));
            }
            return Method.ROUND;
        }
        if (!settings.isGiven(METHOD)) {
            return texts ? Method.GPTQ : Method.ROUND;
        }
        String word = settings.value(METHOD);
        Method method =
                Method.of(word)
                        .orElseThrow(
                                () ->
                                        new SettingsException(
                                                "--method: \"%s\" is none of %s"
                                                        .formatted(
                                                                word,
                                                                Method.words()
                                                                        .replace("|", ", "))));
        if (quantize.needsScales() && method.scales()) {
            throw new SettingsException(
                    "--method=%s changes the inputs that --static-activations and --kv-scales are for: use gptq or round"
                            .formatted(word));
        }
        if (texts == (method == Method.ROUND) && !quantize.needsScales()) {
            throw new SettingsException(
                    texts
                            ? "--method=round uses no texts: leave --calibrate out"
                            : "--method=%s needs --calibrate".formatted(word));
        }
        return method;
    }

    private static void requireCut(String word, Quantization quantize, Path file, boolean isGguf) {
        if (quantize instanceof Quantization.Gguf gguf && gguf.type() != Target.NONE) {
            throw new SettingsException(
                    "--ranks and --stages write a folder; --quantize=%s writes a .gguf file, use none, int4, int8, fp8, mxfp4 or %s"
                            .formatted(word, Quantization.SMOOTHED));
        }
        if (isGguf) {
            throw new SettingsException(
                    "--ranks and --stages cut a folder in Hugging Face layout into another one; %s is a .gguf file"
                            .formatted(file));
        }
    }

    private static SettingsException unknown(String word) {
        return new SettingsException(
                "--quantize: \"%s\" is none of %s"
                        .formatted(word, Quantization.words().replace("|", ", ")));
    }

    private static void requireForm(
            String word, Quantization quantize, Path source, Path target, boolean cut) {
        boolean fromFile = source.toString().endsWith(".gguf");
        boolean toFile = target.toString().endsWith(".gguf");
        if (cut) {
            requireCut(word, quantize, fromFile ? source : target, fromFile || toFile);
            return;
        }
        switch (quantize) {
            case Quantization.Gguf type -> {
                if (!toFile) {
                    throw new SettingsException(
                            "--quantize=%s writes a .gguf file; %s is none"
                                    .formatted(word, target));
                }
                if (fromFile && type.type() == Target.NONE) {
                    throw new SettingsException(
                            "--quantize=none converts a folder in Hugging Face layout; %s is a .gguf file"
                                    .formatted(source));
                }
            }
            case Quantization.Folder _, Quantization.Smoothed _ -> {
                if (fromFile || toFile) {
                    throw new SettingsException(
                            "--quantize=%s converts a folder in Hugging Face layout to another one; %s is a .gguf file"
                                    .formatted(word, fromFile ? source : target));
                }
            }
        }
    }
}
