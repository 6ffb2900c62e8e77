package dev.lockstep.cli;

import dev.lockstep.cluster.Daemon;
import dev.lockstep.cluster.ExitCode;
import dev.lockstep.cluster.ProcessKeys;
import dev.lockstep.cluster.Settings;
import dev.lockstep.coordinator.CoordinatorConfig;
import dev.lockstep.coordinator.CoordinatorMain;
import java.time.Duration;
import java.util.List;

/// Runs one coordinator process.
final class CoordinatorCommand implements Command {
    private static final Duration DRAIN_BUDGET = Duration.ofSeconds(70);

    @Override
    public String name() {
        return "coordinator";
    }

    @Override
    public String summary() {
        return "run one coordinator: the public API";
    }

    @Override
    public String help() {
        return "Usage: lockstep coordinator --zookeeper=HOST:PORT --model=PATH [--key=value …]\n\n"
                + CoordinatorConfig.SPEC.help();
    }

    @Override
    public int run(List<String> arguments) throws InterruptedException {
        Settings settings = Settings.parse(CoordinatorConfig.SPEC, arguments, System.getenv());
        Daemon daemon = new Daemon("coordinator", DRAIN_BUDGET);
        if (settings.value(ProcessKeys.PARENT_PIPE)) {
            daemon.watchParentPipe();
        }
        ModelChoice model = ModelChoice.of(settings, Terminal.standardError());
        RunFolder runFolder = RunFolder.of(settings, ProcessKeys.RUN_FOLDER);
        daemon.atEnd(reason -> runFolder.remove());
        CoordinatorMain.run(
                CoordinatorConfig.of(settings, model.path(), model.name(), runFolder.path()),
                daemon);
        return ExitCode.OK;
    }
}
