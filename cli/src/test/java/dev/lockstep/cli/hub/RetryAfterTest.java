// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.net.http.HttpHeaders;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests both forms of the header, and invalid values.
class RetryAfterTest {
    private static final Instant NOW = Instant.parse("2026-01-15T12:00:00.250Z");

    private static Optional<Duration> wait(Map<String, String> headers) {
        Map<String, List<String>> all = new HashMap<>();
        headers.forEach((name, value) -> all.put(name, List.of(value)));
        return RetryAfter.of(HttpHeaders.of(all, (name, value) -> true), NOW);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    0                              | 0
                    ' 7 '                          | 7
                    3600                           | 3600
                    Thu, 15 Jan 2026 12:00:05 GMT  | 5
                    Thu, 15 Jan 2026 11:00:00 GMT  | 0
                    """)
    void secondsAndDatesAreAccepted(String value, long seconds) {
        assertEquals(Optional.of(Duration.ofSeconds(seconds)), wait(Map.of("Retry-After", value)));
    }

    @Test
    void aDateIsComparedToTheDateOfTheResponse() {
        assertEquals(
                Optional.of(Duration.ofSeconds(20)),
                wait(
                        Map.of(
                                "Date", "Thu, 15 Jan 2026 13:30:00 GMT",
                                "Retry-After", "Thu, 15 Jan 2026 13:30:20 GMT")));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "soon", "-1", "1.5", "12345678901", "Thu, 99 Jan 2026 12:00:05 GMT"})
    void anInvalidValueIsIgnored(String value) {
        assertEquals(Optional.empty(), wait(Map.of("Retry-After", value)));
    }

    @Test
    void withoutTheHeaderThereIsNoWait() {
        assertEquals(Optional.empty(), wait(Map.of()));
    }
}
