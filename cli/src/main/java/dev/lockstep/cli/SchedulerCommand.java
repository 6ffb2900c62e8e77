// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cluster.process.ExitCode;
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
        SchedulerMain.run(arguments);
        return ExitCode.OK;
    }
}
