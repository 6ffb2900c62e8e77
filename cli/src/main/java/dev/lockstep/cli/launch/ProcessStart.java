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

/// The common start of the processes of a cluster.
public record ProcessStart(Settings settings, Daemon daemon) {

    /// Creates the daemon, which stops with its parent process if `--parent-pipe` is set.
    ///
    /// @param drainBudget maximum time from SIGTERM to the end of the process
    public static ProcessStart of(String name, Settings settings, Duration drainBudget) {
        var daemon = new Daemon(name, drainBudget);
        if (settings.value(ProcessKeys.PARENT_PIPE)) {
            daemon.watchParentPipe();
        }
        return new ProcessStart(settings, daemon);
    }

    public ModelChoice model() throws InterruptedException {
        return ModelChoice.of(settings, Terminal.standardError());
    }

    /// Returns the folder that the setting names, or a temporary folder that is removed at the end
    /// of the process.
    public Path folder(Key<String> key) {
        RunFolder folder = RunFolder.of(settings, key);
        daemon.atEnd(reason -> folder.remove());
        return folder.path();
    }
}
