package dev.lockstep.cli;

import dev.lockstep.cluster.Daemon;
import dev.lockstep.cluster.ProcessKeys;
import dev.lockstep.cluster.Settings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/// How a command begins that starts a cluster on this host.
record LauncherStart(Settings settings, Terminal terminal, Path runFolder, Daemon daemon) {

    /// @param drainBudget how long after SIGTERM the process may still be there
    static LauncherStart of(Settings settings, Duration drainBudget) {
        // Before anything is logged.
        RunFolder folder = RunFolder.of(settings, ProcessKeys.RUN_FOLDER).withLogOf("launcher");
        // Until there is a daemon, which takes some time, nobody else would remove it.
        Runtime.getRuntime().addShutdownHook(new Thread(folder::removeIfEmpty, "run-folder"));
        Daemon daemon = new Daemon("launcher", drainBudget);
        daemon.atEnd(reason -> folder.remove());
        return new LauncherStart(settings, Terminal.standardError(), folder.path(), daemon);
    }

    /// A launcher of the model that was asked for, which its caller closes.
    Launcher launcher(int port) throws InterruptedException {
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
