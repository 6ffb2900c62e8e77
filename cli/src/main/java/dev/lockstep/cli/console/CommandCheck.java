// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.console;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// Whether a command of the host works, found out by running it.
public final class CommandCheck {
    private CommandCheck() {}

    /// Returns whether a command exists and exits with 0 within a time; its output is discarded.
    public static boolean succeeds(List<String> command, Duration limit)
            throws InterruptedException {
        Process process;
        try {
            process =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start();
        } catch (IOException e) {
            // Not on the path.
            return false;
        }
        try {
            return process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS)
                    && process.exitValue() == 0;
        } finally {
            process.destroyForcibly();
        }
    }
}
