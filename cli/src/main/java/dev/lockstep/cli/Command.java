// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsSpec;
import java.util.List;

/// A command: the first word after `lockstep`.
abstract class Command {
    private final String name;
    private final String usage;
    private final String summary;
    private final SettingsSpec spec;

    /// Creates a command.
    ///
    /// @param usage the arguments after the name, then optional paragraphs of help
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

    /// Returns the text that `lockstep NAME --help` prints.
    final String help() {
        return "Usage: lockstep %s %s%n%n%s".formatted(name, usage, spec.help());
    }

    /// Parses the arguments, with the environment, into the settings of this command.
    final Settings settings(List<String> arguments) {
        return Settings.parse(spec, arguments, System.getenv());
    }

    /// Runs the command until it ends and returns the exit code. Throws on a user's mistake, which
    /// [Lockstep] prints as one line.
    abstract int run(List<String> arguments) throws Exception;
}
