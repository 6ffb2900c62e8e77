// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.launch.Launcher;
import dev.lockstep.cli.launch.LauncherConfig;
import dev.lockstep.cli.launch.LauncherStart;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Settings;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.List;

/// Starts a cluster on this host and keeps it running.
final class ServeCommand extends Command {
    ServeCommand() {
        super(
                "serve",
                "[--key=value …]",
                "start a cluster on this host and keep it running",
                LauncherConfig.SPEC);
    }

    @Override
    int run(List<String> arguments) {
        Settings settings = settings(arguments);
        LauncherStart start =
                LauncherStart.of(settings, Launcher.drainTime(settings).plus(Launcher.CLOSING));
        Stoppable.run(start.daemon(), name(), () -> serve(start));
        return ExitCode.OK;
    }

    private static void serve(LauncherStart start) throws InterruptedException {
        Launcher launcher = start.launcher(start.settings().value(LauncherConfig.PORT));
        start.daemon().atEnd(reason -> start.daemon().endWith(launcher.close(reason)));
        Launcher.Ready ready = launcher.start();
        // Not the start instant of the process: on Linux it is only as exact as the boot time, a
        // whole second.
        long began = ManagementFactory.getRuntimeMXBean().getStartTime();
        Duration timeToReady = Duration.ofMillis(System.currentTimeMillis() - began);
        System.out.println("Lockstep is ready.\n" + launcher.startScreen(ready, timeToReady));
        System.out.flush();
    }
}
