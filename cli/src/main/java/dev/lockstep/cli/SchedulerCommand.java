// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.launch.InternalPort;
import dev.lockstep.cli.launch.ProcessStart;
import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.scheduler.process.SchedulerConfig;
import dev.lockstep.scheduler.process.SchedulerMain;
import java.util.List;

/// Runs one scheduler process.
final class SchedulerCommand extends Command {
    SchedulerCommand() {
        super(
                "scheduler",
                "--zookeeper=HOST:PORT [--key=value …]",
                "run one scheduler: the leader of a group, or its standby",
                SchedulerConfig.SPEC);
    }

    @Override
    int run(List<String> arguments) {
        Settings settings = settings(arguments);
        String name = "scheduler-" + settings.value(ProcessKeys.GROUP);
        ProcessStart start = ProcessStart.of(name, settings, SchedulerConfig.drainBudget(settings));
        // A launcher's two schedulers of one group share a folder; their processes have names.
        String use = System.getProperty("lockstep.process", name);
        InternalPort.requireFree(settings);
        start.daemon().showState(settings.value(ProcessKeys.ADMIN_PORT));
        SchedulerMain.run(
                SchedulerConfig.of(settings, start.folder(ProcessKeys.RUN_FOLDER, use)),
                ClusterAccess.of(settings, Member.Role.SCHEDULER),
                start.daemon(),
                start.notices());
        return ExitCode.OK;
    }
}
