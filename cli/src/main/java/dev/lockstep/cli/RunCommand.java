package dev.lockstep.cli;

import dev.lockstep.client.Ask;
import dev.lockstep.client.LockstepClient;
import dev.lockstep.cluster.Daemon;
import dev.lockstep.cluster.ExitCode;
import dev.lockstep.cluster.Key;
import dev.lockstep.cluster.ProcessKeys;
import dev.lockstep.cluster.Settings;
import dev.lockstep.cluster.SettingsException;
import dev.lockstep.cluster.SettingsSpec;
import dev.lockstep.cluster.StopReason;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/// A cluster for one answer, streamed to standard output; nothing is left behind.
final class RunCommand implements Command {
    private static final Duration LONGEST_ANSWER = Duration.ofHours(1);
    private static final Key<Integer> MAX_TOKENS =
            Key.integer("max-tokens", 1, 1 << 24, "new tokens, at most")
                    .orElseComputed("what the context has left");
    private static final Key<Double> TEMPERATURE =
            Key.decimal("temperature", 0, 2, "0 always takes the most likely token")
                    .orElseComputed("the server's, 1");
    private static final SettingsSpec SPEC =
            LauncherConfig.SPEC.and(MAX_TOKENS, TEMPERATURE).takingArguments("PROMPT");

    @Override
    public String name() {
        return "run";
    }

    @Override
    public String summary() {
        return "start a cluster for one answer";
    }

    @Override
    public String help() {
        return "Usage: lockstep run [--key=value …] PROMPT\n\n" + SPEC.help();
    }

    @Override
    public int run(List<String> arguments) {
        Settings settings = Settings.parse(SPEC, arguments, System.getenv());
        if (settings.arguments().isEmpty()) {
            throw new SettingsException(
                    "a prompt is missing: lockstep run \"Name three colours.\"");
        }
        Terminal terminal = Terminal.standardError();
        RunFolder runFolder = RunFolder.of(settings, ProcessKeys.RUN_FOLDER).withLogOf("launcher");
        Daemon daemon = new Daemon("launcher", Duration.ofSeconds(10));
        daemon.atEnd(reason -> runFolder.remove());
        Stoppable.run(
                daemon,
                name(),
                () -> {
                    answer(settings, terminal, runFolder.path(), daemon);
                    daemon.exitWith(ExitCode.OK);
                });
        return ExitCode.OK;
    }

    private static void answer(Settings settings, Terminal terminal, Path runFolder, Daemon daemon)
            throws InterruptedException {
        ModelChoice model = ModelChoice.of(settings, terminal);
        int port = settings.isGiven(LauncherConfig.PORT) ? settings.value(LauncherConfig.PORT) : 0;
        Launcher launcher =
                new Launcher(
                        new LauncherConfig(
                                settings,
                                model,
                                port,
                                settings.find(ProcessKeys.ZOOKEEPER),
                                runFolder,
                                Optional.empty()),
                        terminal);
        // One answer needs no drain.
        daemon.atEnd(reason -> launcher.close(StopReason.FINISHED));
        Launcher.Ready ready = launcher.start();
        String name = settings.find(ProcessKeys.SERVED_MODEL_NAME).orElse(model.name());
        try (LockstepClient client =
                LockstepClient.connect(ready.host(), ready.port(), LONGEST_ANSWER)) {
            client.stream(
                    ask(settings, name),
                    text -> {
                        System.out.print(text);
                        System.out.flush();
                    });
        }
        System.out.println();
    }

    private static Ask ask(Settings settings, String model) {
        Ask ask = Ask.user(model, String.join(" ", settings.arguments()));
        Ask bounded = settings.find(MAX_TOKENS).map(ask::withMaxTokens).orElse(ask);
        return settings.find(TEMPERATURE).map(bounded::withTemperature).orElse(bounded);
    }
}
