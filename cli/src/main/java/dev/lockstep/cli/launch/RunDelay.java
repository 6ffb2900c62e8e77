// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.OptionalLong;
import java.util.stream.Stream;

/// How long the threads of a process have waited for a core, as Linux counts it in `schedstat`. A
/// process that waits for one is slow; one that stands still does not wait.
final class RunDelay {
    private static final int WAITED = 1;

    private OptionalLong before = OptionalLong.empty();

    /// Returns the time that the threads waited since the last call, summed; zero at the first one,
    /// and where the system does not tell.
    Duration sinceLast(long process) {
        long now = nanos(process);
        long waited = Math.max(0, now - before.orElse(now));
        before = OptionalLong.of(now);
        return Duration.ofNanos(waited);
    }

    /// Lets the next call be the first one again.
    void forget() {
        before = OptionalLong.empty();
    }

    private static long nanos(long process) {
        try (Stream<Path> threads = Files.list(Path.of("/proc", Long.toString(process), "task"))) {
            return threads.mapToLong(RunDelay::ofThread).sum();
        } catch (IOException e) {
            return 0;
        }
    }

    private static long ofThread(Path thread) {
        try {
            String[] numbers = Files.readString(thread.resolve("schedstat")).split(" ", -1);
            return numbers.length > WAITED ? Long.parseLong(numbers[WAITED]) : 0;
        } catch (IOException | NumberFormatException e) {
            // It has ended meanwhile.
            return 0;
        }
    }
}
