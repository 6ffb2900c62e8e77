// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.launch.Launcher;
import dev.lockstep.cli.launch.LauncherConfig;
import dev.lockstep.cli.launch.LauncherStart;
import dev.lockstep.client.CompletionRequest;
import dev.lockstep.client.LockstepClient;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.cluster.process.StopReason;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.List;

/// Starts a cluster for one completion, streams it to standard output, and removes its temporary
/// files.
final class RunCommand extends Command {
    private static final Duration TIMEOUT = Duration.ofHours(1);
    private static final Key<Integer> MAX_TOKENS =
            Key.integer("max-tokens", 1, 1 << 24, "limit of generated tokens")
                    .orElseComputed("the rest of the context");
    private static final Key<Double> TEMPERATURE =
            Key.decimal("temperature", 0, 2, "0 always chooses the most likely token")
                    .orElseComputed("the model's, or 1");
    private static final SettingsSpec SPEC =
            LauncherConfig.SPEC.and(MAX_TOKENS, TEMPERATURE).takingArguments("PROMPT");

    RunCommand() {
        super("run", "[--key=value …] PROMPT", "start a cluster for one completion", SPEC);
    }

    @Override
    int run(List<String> arguments) {
        Settings settings = settings(arguments);
        if (settings.arguments().isEmpty()) {
            throw new SettingsException(
                    "a prompt is missing: lockstep run \"Name three colours.\"");
        }
        LauncherStart start = LauncherStart.of(settings, Duration.ofSeconds(10));
        Stoppable.run(
                start.daemon(),
                name(),
                () -> {
                    complete(start);
                    start.daemon().exitWith(ExitCode.OK);
                });
        return ExitCode.OK;
    }

    private static void complete(LauncherStart start) throws InterruptedException {
        Settings settings = start.settings();
        Launcher launcher =
                start.launcher(
                        settings.isGiven(LauncherConfig.PORT)
                                ? settings.value(LauncherConfig.PORT)
                                : 0);
        launcher.lowered().forEach(line -> start.terminal().say("lowered " + line));
        // The only completion is finished: no drain.
        start.daemon().atEnd(_ -> launcher.close(StopReason.FINISHED));
        Launcher.Ready ready = launcher.start();
        try (LockstepClient client = launcher.client(ready, TIMEOUT)) {
            client.stream(
                    request(settings, ready.group().getModel()), text -> print(System.out, text));
        }
        print(System.out, "\n");
    }

    /// Prints a piece of text; throws when standard output is closed or full, which ends the
    /// request.
    static void print(PrintStream out, String text) {
        out.print(text);
        if (out.checkError()) {
            throw new UncheckedIOException(
                    "cannot write the completion to standard output",
                    new IOException("it is closed or full"));
        }
    }

    private static CompletionRequest request(Settings settings, String model) {
        CompletionRequest request =
                CompletionRequest.user(model, String.join(" ", settings.arguments()));
        CompletionRequest bounded =
                settings.find(MAX_TOKENS).map(request::withMaxTokens).orElse(request);
        return settings.find(TEMPERATURE).map(bounded::withTemperature).orElse(bounded);
    }
}
