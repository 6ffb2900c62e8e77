// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// The times of refusals: at the clients, and in the coordinator from the arrival of a request to
/// its response, including the scheduler's refusal. The rest is spent in the client and on the
/// connection.
final class RefusalTimes {
    private static final Pattern REFUSED =
            Pattern.compile("^(\\S+Z) .*finish=overloaded ttft_ms=-1 total_ms=(\\d+)$");

    private final List<Double> clientMillis = Collections.synchronizedList(new ArrayList<>());

    void add(long nanos) {
        clientMillis.add(nanos / 1e6);
    }

    /// Returns a summary as text.
    ///
    /// @param logs the folder of the coordinator's log
    /// @param from log lines before this time do not count
    String summary(Path logs, Instant from) {
        return "p50 %.1f ms, p99 %.1f ms; of that in the coordinator p50 %.0f ms, p99 %.0f ms"
                .formatted(
                        percentile(clientMillis, 0.5),
                        percentile(clientMillis, 0.99),
                        percentile(inCoordinator(logs, from), 0.5),
                        percentile(inCoordinator(logs, from), 0.99));
    }

    private static List<Double> inCoordinator(Path logs, Instant from) {
        try (Stream<Path> files = Files.walk(logs)) {
            List<Double> millis = new ArrayList<>();
            for (Path file : files.filter(RefusalTimes::isCoordinators).toList()) {
                for (String line : Files.readAllLines(file)) {
                    Matcher refused = REFUSED.matcher(line);
                    if (refused.matches() && Instant.parse(refused.group(1)).isAfter(from)) {
                        millis.add(Double.valueOf(refused.group(2)));
                    }
                }
            }
            return millis;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean isCoordinators(Path file) {
        String name = file.getFileName().toString();
        return name.contains("coordinator") && name.endsWith(".log");
    }

    private static double percentile(List<Double> values, double share) {
        List<Double> sorted = values.stream().sorted().toList();
        return sorted.isEmpty()
                ? Double.NaN
                : sorted.get(Math.min(sorted.size() - 1, (int) (share * sorted.size())));
    }
}
