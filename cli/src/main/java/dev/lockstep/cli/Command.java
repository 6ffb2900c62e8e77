// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsSpec;
import java.util.List;
import java.util.Set;

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

    /// Returns the names of its settings.
    final Set<String> keyNames() {
        return spec.keyNames();
    }

    /// Parses the arguments, with the environment, into the settings of this command. Settings of
    /// other commands may be in the environment and in a file, which all commands share.
    final Settings settings(List<String> arguments) {
        Settings settings =
                Settings.parse(spec.passingOver(Lockstep::keyNames), arguments, System.getenv());
        settings.passedOver()
                .ifPresent(line -> System.err.println("lockstep " + name + ": " + line));
        return settings;
    }

    /// Runs the command until it ends and returns the exit code. Throws on a user's mistake, which
    /// [Lockstep] prints as one line.
    abstract int run(List<String> arguments) throws Exception;
}
