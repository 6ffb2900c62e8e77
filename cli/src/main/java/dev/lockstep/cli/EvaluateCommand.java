// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.evaluate.Evaluating;
import dev.lockstep.cli.evaluate.EvaluationReport;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.HostCpus;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// Measures how well a model predicts a text, and how far it is from another one; computes on the
/// CPU, in this process.
final class EvaluateCommand extends Command {
    private static final Key<String> TEXT =
            Key.text("text", "a file", "the text that the models predict, UTF-8");
    private static final Key<Integer> CONTEXT =
            Key.integer("context", 8, 1 << 16, "tokens of a window of the text").orElse("512");
    private static final Key<Integer> WINDOWS =
            Key.integer("windows", 1, 1 << 24, "limit of windows of the text")
                    .orElseComputed("the whole text");
    private static final Key<Boolean> LAYERS =
            Key.flag("layers", "compare the inputs of the layers too; needs OTHER");
    private static final Key<Boolean> JSON =
            Key.flag("json", "print one JSON object instead of a table");

    private static final SettingsSpec SPEC =
            SettingsSpec.of(TEXT, CONTEXT, WINDOWS, LAYERS, JSON, ProcessKeys.THREADS)
                    .takingArguments("MODEL [OTHER]");

    private final PrintStream out;

    EvaluateCommand() {
        this(System.out);
    }

    /// @param out where the result goes
    EvaluateCommand(PrintStream out) {
        super(
                "evaluate",
                """
                MODEL [OTHER] --text=FILE

                Prints the perplexity of the text and, against OTHER, the KL divergence of the next token's
                distribution (from OTHER to MODEL, in nats) and how often both have the same most likely token.
                Tokens of the second half of each window are scored, as by llama-perplexity.\
                """,
                "perplexity of a text, and the distance from another model",
                SPEC);
        this.out = out;
    }

    @Override
    int run(List<String> arguments) throws InterruptedException {
        Settings settings = settings(arguments);
        List<String> models = settings.arguments();
        if (models.isEmpty() || models.size() > 2) {
            throw new SettingsException(
                    "name one model, or two: each a folder, a .gguf file, a known name or a hub's org/name");
        }
        if (!settings.isGiven(TEXT)) {
            throw new SettingsException("--text is missing: name a file with the text to predict");
        }
        boolean layers = settings.value(LAYERS);
        if (layers && models.size() < 2) {
            throw new SettingsException("--layers compares with OTHER, which is missing");
        }
        Terminal terminal = Terminal.standardError();
        Optional<ModelChoice> other =
                models.size() == 1
                        ? Optional.empty()
                        : Optional.of(ModelChoice.ofUser("OTHER", models.get(1), terminal));
        var evaluating =
                new Evaluating(
                        ModelChoice.ofUser("MODEL", models.getFirst(), terminal),
                        other,
                        Path.of(settings.value(TEXT)),
                        settings.value(CONTEXT),
                        settings.isGiven(WINDOWS) ? settings.value(WINDOWS) : Integer.MAX_VALUE,
                        layers);
        int threads = settings.find(ProcessKeys.THREADS).orElse(HostCpus.ofProcess().count());
        EvaluationReport report =
                evaluating.run(() -> ToolKernels.open(threads, terminal), terminal);
        out.println(settings.value(JSON) ? report.json() : report.text());
        return ExitCode.OK;
    }
}
