// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import java.net.http.HttpHeaders;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.util.Optional;

/// Reads the header `Retry-After` of a response.
final class RetryAfter {
    // A value with more digits is not a plausible time.
    private static final String SECONDS = "[0-9]{1,9}";

    private RetryAfter() {}

    /// Returns the time to wait in whole seconds, rounded up, at least 0; empty without the header,
    /// or if its value is neither seconds nor a date.
    ///
    /// @param now the start of the wait if the response has no header `Date`, which takes
    ///   precedence because clocks differ
    static Optional<Duration> of(HttpHeaders headers, Instant now) {
        return headers.firstValue("Retry-After")
                .map(String::strip)
                .flatMap(
                        text ->
                                text.matches(SECONDS)
                                        ? Optional.of(Duration.ofSeconds(Long.parseLong(text)))
                                        : date(text).map(date -> until(date, sent(headers, now))));
    }

    private static Instant sent(HttpHeaders headers, Instant now) {
        return headers.firstValue("Date").flatMap(RetryAfter::date).orElse(now);
    }

    private static Duration until(Instant date, Instant from) {
        Duration wait = Duration.between(from, date);
        long seconds = wait.toSeconds() + (wait.toNanosPart() > 0 ? 1 : 0);
        return Duration.ofSeconds(Math.max(0, seconds));
    }

    private static Optional<Instant> date(String text) {
        try {
            return Optional.of(Instant.from(DateTimeFormatter.RFC_1123_DATE_TIME.parse(text)));
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }
}
