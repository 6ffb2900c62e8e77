package dev.lockstep.cli;

import dev.lockstep.cluster.Daemon;
import dev.lockstep.cluster.ExitCode;
import dev.lockstep.cluster.ProcessKeys;
import dev.lockstep.cluster.Settings;
import dev.lockstep.model.ModelSource;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/// Starts a cluster on this host and keeps it running.
final class ServeCommand implements Command {
    private static final Duration DRAIN_BUDGET = Duration.ofSeconds(75);

    @Override
    public String name() {
        return "serve";
    }

    @Override
    public String summary() {
        return "start a cluster on this host and keep it running";
    }

    @Override
    public String help() {
        return "Usage: lockstep serve [--key=value …]\n\n" + LauncherConfig.SPEC.help();
    }

    @Override
    public int run(List<String> arguments) {
        Settings settings = Settings.parse(LauncherConfig.SPEC, arguments, System.getenv());
        Terminal terminal = Terminal.standardError();
        RunFolder runFolder = RunFolder.of(settings, ProcessKeys.RUN_FOLDER).withLogOf("launcher");
        Daemon daemon = new Daemon("launcher", DRAIN_BUDGET);
        daemon.atEnd(reason -> runFolder.remove());
        Stoppable.run(daemon, name(), () -> serve(settings, terminal, runFolder.path(), daemon));
        return ExitCode.OK;
    }

    private static void serve(Settings settings, Terminal terminal, Path runFolder, Daemon daemon)
            throws InterruptedException {
        ModelChoice model = ModelChoice.of(settings, terminal);
        LauncherConfig config =
                new LauncherConfig(
                        settings,
                        model,
                        settings.value(LauncherConfig.PORT),
                        settings.find(ProcessKeys.ZOOKEEPER),
                        runFolder,
                        Optional.empty());
        Launcher launcher = new Launcher(config, terminal);
        daemon.atEnd(launcher::close);
        Launcher.Ready ready = launcher.start();
        Duration timeToReady =
                ProcessHandle.current()
                        .info()
                        .startInstant()
                        .map(start -> Duration.between(start, Instant.now()))
                        .orElse(Duration.ZERO);
        System.out.println(
                "Lockstep is ready.\n"
                        + StartScreen.text(
                                ready,
                                config,
                                launcher.plan(),
                                launcher.memory(),
                                ModelSource.open(model.path()).parameterCount(),
                                timeToReady));
        System.out.flush();
    }
}
