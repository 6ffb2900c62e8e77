// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cluster.process.Daemon;
import java.time.Duration;

/// Runs long work, such as a download or a start, on a separate thread, so that the main thread can
/// handle a stop at any time.
final class Stoppable {
    private static final Duration CLEAN_UP_TIME = Duration.ofMillis(700);

    private Stoppable() {}

    /// The work of a command.
    @FunctionalInterface
    interface Work {
        void run() throws Exception;
    }

    /// Runs the work and never returns. On a stop, the daemon closes what it owns since the start
    /// of the work, interrupts the work and waits at most [#CLEAN_UP_TIME] for it, then closes what
    /// it owned earlier. A failure prints one line and exits with the exit code of the exception.
    static void run(Daemon daemon, String command, Work work) {
        Thread worker =
                Thread.ofPlatform()
                        .daemon()
                        .name(command)
                        .unstarted(() -> runWork(daemon, command, work));
        daemon.atEnd(
                reason -> {
                    worker.interrupt();
                    worker.join(CLEAN_UP_TIME);
                });
        worker.start();
        daemon.run();
    }

    private static void runWork(Daemon daemon, String command, Work work) {
        try {
            work.run();
        } catch (Exception e) {
            // A failure while everything is being closed is a consequence of the closing.
            if (!daemon.stopping()) {
                daemon.exitWith(Lockstep.report(command, e, System.err));
            }
        }
    }
}
