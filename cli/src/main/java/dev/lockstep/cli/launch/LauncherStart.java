// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.process.Daemon;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/// The common start of commands that start a cluster on this host.
public record LauncherStart(Settings settings, Terminal terminal, Path runFolder, Daemon daemon) {

    /// Creates the run folder and the daemon.
    ///
    /// @param drainBudget maximum time from SIGTERM to the end of the process
    public static LauncherStart of(Settings settings, Duration drainBudget) {
        // Must precede the first log line.
        RunFolder folder = RunFolder.of(settings, ProcessKeys.RUN_FOLDER).withLogOf("launcher");
        // Removes the folder if the process ends before the daemon exists, which takes some time.
        Runtime.getRuntime().addShutdownHook(new Thread(folder::removeIfEmpty, "run-folder"));
        var daemon = new Daemon("launcher", drainBudget);
        daemon.atEnd(reason -> folder.remove());
        return new LauncherStart(settings, Terminal.standardError(), folder.path(), daemon);
    }

    /// Creates a launcher of the model of the settings; the caller closes it.
    public Launcher launcher(int port) throws InterruptedException {
        return new Launcher(
                new LauncherConfig(
                        settings,
                        ModelChoice.of(settings, terminal),
                        port,
                        settings.find(ProcessKeys.ZOOKEEPER),
                        runFolder,
                        Optional.empty()),
                terminal);
    }
}
