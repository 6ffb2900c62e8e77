package dev.lockstep.cli;

import dev.lockstep.cluster.Daemon;
import dev.lockstep.cluster.Key;
import dev.lockstep.cluster.ProcessKeys;
import dev.lockstep.cluster.Settings;
import java.nio.file.Path;
import java.time.Duration;

/// How a process of a cluster begins: it stops when it is told to, and with its parent.
record ProcessStart(Settings settings, Daemon daemon) {

    /// @param drainBudget how long after SIGTERM the process may still be there
    static ProcessStart of(String name, Settings settings, Duration drainBudget) {
        Daemon daemon = new Daemon(name, drainBudget);
        if (settings.value(ProcessKeys.PARENT_PIPE)) {
            daemon.watchParentPipe();
        }
        return new ProcessStart(settings, daemon);
    }

    ModelChoice model() throws InterruptedException {
        return ModelChoice.of(settings, Terminal.standardError());
    }

    /// The user's choice, or a folder that goes with the process.
    Path folder(Key<String> key) {
        RunFolder folder = RunFolder.of(settings, key);
        daemon.atEnd(reason -> folder.remove());
        return folder.path();
    }
}
