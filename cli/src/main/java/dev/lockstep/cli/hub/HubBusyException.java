// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;

/// Thrown for a response of a host that is busy.
final class HubBusyException extends IOException {
    private static final long serialVersionUID = 1L;
    private static final long NONE = -1;

    private final long retryAfterSeconds;

    /// Creates the exception for a response.
    ///
    /// @param retryAfter the time to wait that the host asks for, if any
    HubBusyException(String host, int status, Optional<Duration> retryAfter) {
        super(
                "%s answers %d%s"
                        .formatted(
                                host,
                                status,
                                retryAfter
                                        .map(
                                                it ->
                                                        " and asks to wait %d s"
                                                                .formatted(it.toSeconds()))
                                        .orElse("")));
        retryAfterSeconds = retryAfter.map(Duration::toSeconds).orElse(NONE);
    }

    /// Returns the time to wait that the host asks for, if any.
    Optional<Duration> retryAfter() {
        return retryAfterSeconds == NONE
                ? Optional.empty()
                : Optional.of(Duration.ofSeconds(retryAfterSeconds));
    }

    /// Returns `try again`, with the time to wait if the failure has one.
    static String tryAgain(IOException failure) {
        return failure instanceof HubBusyException busy
                ? busy.retryAfter()
                        .map(wait -> "try again in %d s".formatted(wait.toSeconds()))
                        .orElse("try again")
                : "try again";
    }
}
