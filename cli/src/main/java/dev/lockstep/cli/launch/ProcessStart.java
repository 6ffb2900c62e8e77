package dev.lockstep.cli.launch;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.process.Daemon;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import java.nio.file.Path;
import java.time.Duration;

/// How a process of a cluster begins: it stops when it is told to, and with its parent.
public record ProcessStart(Settings settings, Daemon daemon) {

    /// Makes the daemon, which ends with its parent where `--parent-pipe` says so.
    ///
    /// @param drainBudget how long after SIGTERM the process may still be there
    public static ProcessStart of(String name, Settings settings, Duration drainBudget) {
        Daemon daemon = new Daemon(name, drainBudget);
        if (settings.value(ProcessKeys.PARENT_PIPE)) {
            daemon.watchParentPipe();
        }
        return new ProcessStart(settings, daemon);
    }

    public ModelChoice model() throws InterruptedException {
        return ModelChoice.of(settings, Terminal.standardError());
    }

    /// The user's choice, or a folder that goes with the process.
    public Path folder(Key<String> key) {
        RunFolder folder = RunFolder.of(settings, key);
        daemon.atEnd(reason -> folder.remove());
        return folder.path();
    }
}
