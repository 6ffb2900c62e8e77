// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cli.launch.FreePort;
import dev.lockstep.cli.launch.Launcher;
import dev.lockstep.cli.launch.ProcessStart;
import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.coordinator.CoordinatorConfig;
import dev.lockstep.coordinator.CoordinatorMain;
import java.time.Duration;
import java.util.List;

/// Runs one coordinator process.
final class CoordinatorCommand extends Command {
    /// Time after the drain to end streams and close connections, in which the launcher kills it.
    private static final Duration CLOSING = Duration.ofSeconds(3);

    CoordinatorCommand() {
        super(
                "coordinator",
                "--zookeeper=HOST:PORT --model=PATH [--key=value …]",
                "run one coordinator: the public API",
                CoordinatorConfig.SPEC);
    }

    @Override
    int run(List<String> arguments) throws InterruptedException {
        Settings settings = settings(arguments);
        // What is missing is said before a model is downloaded.
        var _ = settings.value(ProcessKeys.ZOOKEEPER);
        long port = settings.value(CoordinatorConfig.PORT);
        ProcessStart start =
                ProcessStart.of(
                        "coordinator-" + (port == 0 ? ProcessHandle.current().pid() : port),
                        settings,
                        Launcher.drainTime(settings).plus(CLOSING));
        FreePort.require(ProcessKeys.HOST, settings.value(ProcessKeys.HOST), (int) port);
        start.daemon().showState(settings.value(ProcessKeys.ADMIN_PORT));
        ModelChoice model = start.model();
        CoordinatorMain.run(
                CoordinatorConfig.of(start.settings(), model.path(), model.name()),
                ClusterAccess.of(start.settings(), Member.Role.COORDINATOR),
                start.daemon());
        return ExitCode.OK;
    }
}
