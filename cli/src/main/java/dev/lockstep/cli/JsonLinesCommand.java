// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsSpec;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.util.List;

/// A command that maps standard input to standard output line by line; starts no process.
abstract class JsonLinesCommand extends Command {
    JsonLinesCommand(String name, String usage, String summary, SettingsSpec spec) {
        super(name, usage, summary, spec);
    }

    /// Creates the function that maps one line.
    abstract JsonLines.Step step(Settings settings) throws IOException, InterruptedException;

    @Override
    final int run(List<String> arguments) throws IOException, InterruptedException {
        return run(arguments, System.in, System.out);
    }

    final int run(List<String> arguments, InputStream in, PrintStream out)
            throws IOException, InterruptedException {
        JsonLines.run(in, out, step(settings(arguments)));
        return ExitCode.OK;
    }
}
