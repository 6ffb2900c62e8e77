package dev.lockstep.cli.launch;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.process.Daemon;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/// How a command begins that starts a cluster on this host.
public record LauncherStart(Settings settings, Terminal terminal, Path runFolder, Daemon daemon) {

    /// Makes the run folder and the daemon.
    ///
    /// @param drainBudget how long after SIGTERM the process may still be there
    public static LauncherStart of(Settings settings, Duration drainBudget) {
        // Before anything is logged.
        RunFolder folder = RunFolder.of(settings, ProcessKeys.RUN_FOLDER).withLogOf("launcher");
        // Until there is a daemon, which takes some time, nobody else would remove it.
        Runtime.getRuntime().addShutdownHook(new Thread(folder::removeIfEmpty, "run-folder"));
        Daemon daemon = new Daemon("launcher", drainBudget);
        daemon.atEnd(reason -> folder.remove());
        return new LauncherStart(settings, Terminal.standardError(), folder.path(), daemon);
    }

    /// A launcher of the model that was asked for, which its caller closes.
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
