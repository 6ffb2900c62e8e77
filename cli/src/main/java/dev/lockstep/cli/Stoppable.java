package dev.lockstep.cli;

import dev.lockstep.cluster.process.Daemon;
import java.time.Duration;

/// Work on a thread of its own, so that the main thread heeds a stop however long the work takes: a
/// download, a start, an answer.
final class Stoppable {
    private static final Duration LAST_MOMENT = Duration.ofMillis(300);

    private Stoppable() {}

    /// What a command does until it is stopped or fails.
    @FunctionalInterface
    interface Work {
        void run() throws Exception;
    }

    /// Does not return. A stop closes what the daemon owns, then interrupts the work and gives it a
    /// moment to clean up; a failure is one line and its exit code.
    static void run(Daemon daemon, String command, Work work) {
        Thread worker =
                Thread.ofPlatform()
                        .daemon()
                        .name(command)
                        .unstarted(() -> doIt(daemon, command, work));
        daemon.atEnd(
                reason -> {
                    worker.interrupt();
                    worker.join(LAST_MOMENT);
                });
        worker.start();
        daemon.run();
    }

    private static void doIt(Daemon daemon, String command, Work work) {
        try {
            work.run();
        } catch (Exception e) {
            // Whatever fails while all is being closed fails because of it.
            if (!daemon.stopping()) {
                daemon.exitWith(Lockstep.report(command, e, System.err));
            }
        }
    }
}
