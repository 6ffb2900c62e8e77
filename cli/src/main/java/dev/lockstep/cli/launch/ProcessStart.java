// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.process.Daemon;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Consumer;

/// The common start of the processes of a cluster.
public record ProcessStart(Settings settings, Daemon daemon) {

    /// Creates the daemon, which stops with its parent process if `--parent-pipe` is set. The log
    /// goes to the folder of `--run-folder` unless the launcher chose one.
    ///
    /// @param name of the process and its log
    /// @param drainBudget maximum time from SIGTERM to the end of the process
    public static ProcessStart of(String name, Settings settings, Duration drainBudget) {
        if (settings.isGiven(ProcessKeys.RUN_FOLDER)) {
            LogFolder.use(RunFolder.chosen(settings.value(ProcessKeys.RUN_FOLDER)), name);
        }
        var daemon = new Daemon(name, drainBudget);
        if (settings.value(ProcessKeys.PARENT_PIPE)) {
            daemon.obeyParent();
            daemon.tellParent();
        }
        return new ProcessStart(settings, daemon);
    }

    public ModelChoice model() throws InterruptedException {
        return ModelChoice.of(settings, Terminal.standardError());
    }

    /// Returns where to say something to the person who started the process: as a line on standard
    /// output that the launcher reads, else on standard error.
    public Consumer<String> notices() {
        return settings.value(ProcessKeys.PARENT_PIPE)
                ? line -> System.out.println(Child.NOTICE + "\t" + line.replaceAll("\\s+", " "))
                : System.err::println;
    }

    /// Returns the folder that the setting names, or a temporary folder that is removed at the end
    /// of the process.
    ///
    /// @param use what one process at a time uses the folder for
    public Path folder(Key<String> key, String use) {
        RunFolder folder = RunFolder.of(settings, key, use);
        daemon.atEnd(reason -> folder.remove());
        return folder.path();
    }
}
