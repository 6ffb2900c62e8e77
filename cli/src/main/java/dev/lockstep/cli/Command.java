package dev.lockstep.cli;

import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsSpec;
import java.util.List;

/// One word after `lockstep`.
abstract class Command {
    private final String name;
    private final String usage;
    private final String summary;
    private final SettingsSpec spec;

    /// @param usage what follows the name, and what more there is to say
    /// @param summary a line for the list of commands
    Command(String name, String usage, String summary, SettingsSpec spec) {
        this.name = name;
        this.usage = usage;
        this.summary = summary;
        this.spec = spec;
    }

    final String name() {
        return name;
    }

    final String summary() {
        return summary;
    }

    /// What `lockstep NAME --help` prints.
    final String help() {
        return "Usage: lockstep %s %s%n%n%s".formatted(name, usage, spec.help());
    }

    /// What the command was told.
    final Settings settings(List<String> arguments) {
        return Settings.parse(spec, arguments, System.getenv());
    }

    /// Runs to its end and returns the exit code. A user's mistake is thrown and printed as one
    /// line by [Lockstep].
    abstract int run(List<String> arguments) throws Exception;
}
