// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cli.console.CommandCheck;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The scheduling policy of processes beside compute threads: `SCHED_BATCH`, under which a thread
/// that wakes waits for a core instead of taking that of a running one. A step waits for the last
/// of its threads, so that each interruption costs all of them. Compute threads leave the policy
/// themselves.
final class BatchPolicy {
    private static final Logger LOG = LogManager.getLogger(BatchPolicy.class);
    private static final List<String> COMMAND = List.of("chrt", "-b", "0");
    private static final Duration LIMIT = Duration.ofSeconds(2);

    private BatchPolicy() {}

    /// Returns what precedes a command to run it under the policy; nothing where that is not
    /// possible, which the log then says.
    static List<String> prefix() {
        return prefix(COMMAND);
    }

    static List<String> prefix(List<String> command) {
        List<String> trial = new ArrayList<>(command);
        trial.add("true");
        try {
            if (CommandCheck.succeeds(trial, LIMIT)) {
                return command;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return List.of();
        }
        LOG.info(
                "{} does not work here: other threads may interrupt those that compute",
                String.join(" ", command));
        return List.of();
    }
}
