package dev.lockstep.cli;

import dev.lockstep.cluster.Daemon;
import dev.lockstep.cluster.ExitCode;
import dev.lockstep.cluster.ProcessKeys;
import dev.lockstep.cluster.Settings;
import dev.lockstep.worker.WorkerConfig;
import dev.lockstep.worker.WorkerMain;
import java.time.Duration;
import java.util.List;

/// Runs one worker process.
final class WorkerCommand implements Command {
    private static final Duration DRAIN_BUDGET = Duration.ofSeconds(5);

    @Override
    public String name() {
        return "worker";
    }

    @Override
    public String summary() {
        return "run one worker: a rank of a group";
    }

    @Override
    public String help() {
        return "Usage: lockstep worker --zookeeper=HOST:PORT [--key=value …]\n\n"
                + WorkerConfig.SPEC.help();
    }

    @Override
    public int run(List<String> arguments) throws InterruptedException {
        Settings settings = Settings.parse(WorkerConfig.SPEC, arguments, System.getenv());
        Daemon daemon = new Daemon("worker", DRAIN_BUDGET);
        if (settings.value(ProcessKeys.PARENT_PIPE)) {
            daemon.watchParentPipe();
        }
        ModelChoice model = ModelChoice.of(settings, Terminal.standardError());
        RunFolder runFolder = RunFolder.of(settings, ProcessKeys.RUN_FOLDER);
        daemon.atEnd(reason -> runFolder.remove());
        WorkerMain.run(
                WorkerConfig.of(settings, model.path(), model.name(), runFolder.path()),
                daemon,
                (done, total) ->
                        System.out.printf("progress\tloading weights\t%d\t%d%n", done, total));
        return ExitCode.OK;
    }
}
