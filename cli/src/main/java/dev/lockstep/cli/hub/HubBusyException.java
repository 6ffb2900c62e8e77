package dev.lockstep.cli.hub;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;

/// An answer of a host that means: not now.
final class HubBusyException extends IOException {
    private static final long serialVersionUID = 1L;
    private static final long NONE = -1;

    private final long askedSeconds;

    /// @param asked how long the host wants to be left alone, where it says
    HubBusyException(String host, int status, Optional<Duration> asked) {
        super(
                "%s answers %d%s"
                        .formatted(
                                host,
                                status,
                                asked.map(it -> " and asks to wait %d s".formatted(it.toSeconds()))
                                        .orElse("")));
        askedSeconds = asked.map(Duration::toSeconds).orElse(NONE);
    }

    /// How long the host wants to be left alone, where it says.
    Optional<Duration> asked() {
        return askedSeconds == NONE
                ? Optional.empty()
                : Optional.of(Duration.ofSeconds(askedSeconds));
    }

    /// `try again`, and when, where the failure tells.
    static String tryAgain(IOException failure) {
        return failure instanceof HubBusyException busy
                ? busy.asked()
                        .map(asked -> "try again in %d s".formatted(asked.toSeconds()))
                        .orElse("try again")
                : "try again";
    }
}
