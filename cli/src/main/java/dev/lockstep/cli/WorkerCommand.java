// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cli.launch.InternalPort;
import dev.lockstep.cli.launch.ProcessStart;
import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.worker.WorkerConfig;
import dev.lockstep.worker.WorkerMain;
import java.time.Duration;
import java.util.List;

/// Runs one worker process.
final class WorkerCommand extends Command {
    private static final Duration DRAIN_BUDGET = Duration.ofSeconds(5);

    WorkerCommand() {
        super(
                "worker",
                "--zookeeper=HOST:PORT [--key=value …]",
                "run one worker: a rank of a group",
                WorkerConfig.SPEC);
    }

    @Override
    int run(List<String> arguments) throws InterruptedException {
        Settings settings = settings(arguments);
        // What is missing is said before a model is downloaded.
        var _ = settings.value(ProcessKeys.ZOOKEEPER);
        String name =
                "worker-%s-%d"
                        .formatted(
                                settings.value(ProcessKeys.GROUP),
                                settings.value(ProcessKeys.RANK));
        ProcessStart start = ProcessStart.of(name, settings, DRAIN_BUDGET);
        start.daemon().showState(settings.value(ProcessKeys.ADMIN_PORT));
        // Those of two numbers of ranks share a folder; a launcher's processes have names.
        String use = System.getProperty("lockstep.process", name);
        // Before the weights are loaded.
        InternalPort.requireFree(settings);
        ModelChoice model = start.model();
        WorkerMain.run(
                WorkerConfig.of(
                        start.settings(),
                        model.path(),
                        model.name(),
                        start.folder(ProcessKeys.RUN_FOLDER, use)),
                ClusterAccess.of(start.settings(), Member.Role.WORKER),
                start.daemon(),
                (done, total) ->
                        System.out.printf("progress\tloading weights\t%d\t%d%n", done, total));
        return ExitCode.OK;
    }
}
