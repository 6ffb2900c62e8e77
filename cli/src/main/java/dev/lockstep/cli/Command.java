package dev.lockstep.cli;

import java.util.List;

/// One word after `lockstep`.
interface Command {
    String name();

    /// A line for the list of commands.
    String summary();

    /// What `lockstep NAME --help` prints.
    String help();

    /// Runs to its end and returns the exit code. A user's mistake is thrown and printed as one
    /// line by [Lockstep].
    int run(List<String> arguments) throws Exception;
}
