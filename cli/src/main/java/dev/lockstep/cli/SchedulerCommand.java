package dev.lockstep.cli;

import dev.lockstep.cluster.ExitCode;
import dev.lockstep.scheduler.SchedulerConfig;
import dev.lockstep.scheduler.SchedulerMain;
import java.util.List;

/// Runs one scheduler process.
final class SchedulerCommand implements Command {
    @Override
    public String name() {
        return "scheduler";
    }

    @Override
    public String summary() {
        return "run one scheduler: the leader of a group, or its standby";
    }

    @Override
    public String help() {
        return "Usage: lockstep scheduler --zookeeper=HOST:PORT [--key=value …]\n\n"
                + SchedulerConfig.SPEC.help();
    }

    @Override
    public int run(List<String> arguments) {
        SchedulerMain.run(arguments);
        return ExitCode.OK;
    }
}
