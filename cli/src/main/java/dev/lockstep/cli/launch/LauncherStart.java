// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.process.Daemon;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.coordinator.DurabilitySettings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/// The common start of commands that start a cluster on this host.
///
/// @param runFolder of sockets
/// @param logFolder of logs
public record LauncherStart(
        Settings settings, Terminal terminal, Path runFolder, Path logFolder, Daemon daemon) {

    /// Creates the folders and the daemon.
    ///
    /// @param drainBudget maximum time from SIGTERM to the end of the process
    public static LauncherStart of(Settings settings, Duration drainBudget) {
        Terminal terminal = Terminal.standardError();
        // The folder may be the user's, which keeps the logs.
        return of(
                settings,
                terminal,
                folder ->
                        folder.temporary()
                                ? LogFolder.ofNewRun(System.getenv(), terminal).path()
                                : folder.path(),
                drainBudget);
    }

    /// Creates the folders and the daemon of a run whose logs nobody reads later.
    public static LauncherStart ofTraining(Settings settings, Duration drainBudget) {
        return of(settings, Terminal.standardError(), RunFolder::path, drainBudget);
    }

    /// Returns the folder of the logs.
    private interface Logs {
        Path of(RunFolder folder);
    }

    private static LauncherStart of(
            Settings settings, Terminal terminal, Logs logs, Duration drainBudget) {
        RunFolder folder = RunFolder.of(settings, ProcessKeys.RUN_FOLDER, "serve");
        // Removes the folder if the process ends before the daemon exists, which takes some time.
        Runtime.getRuntime().addShutdownHook(new Thread(folder::removeIfEmpty, "run-folder"));
        Path logFolder = logs.of(folder);
        LogFolder.use(logFolder, "launcher");
        var daemon = new Daemon("launcher", drainBudget);
        daemon.atEnd(reason -> folder.remove());
        return new LauncherStart(settings, terminal, folder.path(), logFolder, daemon);
    }

    /// Creates a launcher of the model of the settings; the caller closes it.
    public Launcher launcher(int port) throws InterruptedException {
        LauncherConfig.requireEnsembleOfUser(settings);
        LauncherConfig.requireOneRecorder(settings);
        AdminPorts.of(settings).requireWithout(port);
        var _ = DurabilitySettings.journalFolder(settings, System.getenv());
        // Before a download: the coordinator listens last.
        FreePort.require(ProcessKeys.HOST, settings.value(ProcessKeys.HOST), port);
        return launcher(ModelChoice.of(settings, terminal), port, Optional.empty());
    }

    /// Creates a launcher of this model; the caller closes it.
    ///
    /// @param training the folder that the children write start-up caches to; empty for none
    public Launcher launcher(ModelChoice model, int port, Optional<Path> training) {
        return new Launcher(
                new LauncherConfig(
                        settings,
                        model,
                        port,
                        training.isPresent()
                                ? Optional.empty()
                                : settings.find(ProcessKeys.ZOOKEEPER),
                        runFolder,
                        logFolder,
                        training),
                terminal,
                this::own);
    }

    /// Closes a resource at the end of the process, or at once if that has come already.
    private void own(AutoCloseable resource) {
        var _ = daemon.own(resource);
        if (!daemon.stopping()) {
            return;
        }
        try {
            resource.close();
        } catch (Exception e) {
            throw new UnusableException("stopped, and cannot clean up: " + e.getMessage());
        }
        throw new UnusableException("stopped");
    }
}
