// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cli.launch.ProcessStart;
import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.coordinator.CoordinatorConfig;
import dev.lockstep.coordinator.CoordinatorMain;
import java.time.Duration;
import java.util.List;

/// Runs one coordinator process.
final class CoordinatorCommand extends Command {
    private static final Duration DRAIN_BUDGET = Duration.ofSeconds(70);

    CoordinatorCommand() {
        super(
                "coordinator",
                "--zookeeper=HOST:PORT --model=PATH [--key=value …]",
                "run one coordinator: the public API",
                CoordinatorConfig.SPEC);
    }

    @Override
    int run(List<String> arguments) throws InterruptedException {
        ProcessStart start = ProcessStart.of(name(), settings(arguments), DRAIN_BUDGET);
        ModelChoice model = start.model();
        CoordinatorMain.run(
                CoordinatorConfig.of(
                        start.settings(),
                        model.path(),
                        model.name(),
                        start.folder(ProcessKeys.RUN_FOLDER)),
                ClusterAccess.of(start.settings()),
                start.daemon());
        return ExitCode.OK;
    }
}
