// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import dev.lockstep.cluster.process.CacheFolder;
import dev.lockstep.cluster.process.SettingsException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/// The settings of a hub, from the environment variables that its other clients also read.
///
/// @param endpoint base URL without a trailing slash
/// @param offline use only the cache
/// @param cache the folder shared with the hub's other clients
record HubConfig(
        URI endpoint,
        HubToken token,
        HubProxies proxies,
        boolean offline,
        Path cache,
        Timeouts timeouts) {
    private static final String DEFAULT_ENDPOINT = "https://huggingface.co";

    /// Limits of retries.
    ///
    /// @param attempts maximum number of attempts without a byte of progress
    /// @param firstPause pause before the second attempt; doubles after each attempt
    /// @param maxRetryAfter maximum pause that a busy host may ask for; a longer one ends the
    ///   retries
    /// @param silence time without a byte after which a connection counts as broken
    record Timeouts(int attempts, Duration firstPause, Duration maxRetryAfter, Duration silence) {
        static final Timeouts DEFAULT =
                new Timeouts(
                        5, Duration.ofMillis(500), Duration.ofMinutes(1), Duration.ofSeconds(30));
    }

    static HubConfig of(Map<String, String> environment) {
        return of(environment, Timeouts.DEFAULT);
    }

    /// Reads `HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_HUB_CACHE`, `HF_HOME`, and the variables of
    /// [HubToken] and [HubProxies].
    static HubConfig of(Map<String, String> environment, Timeouts timeouts) {
        Path home =
                given(environment, "HF_HOME")
                        .map(Path::of)
                        .orElseGet(() -> CacheFolder.ofUser(environment).resolve("huggingface"));
        return new HubConfig(
                endpoint(given(environment, "HF_ENDPOINT").orElse(DEFAULT_ENDPOINT)),
                HubToken.of(environment, home),
                new HubProxies(environment),
                given(environment, "HF_HUB_OFFLINE").filter(HubConfig::isTrue).isPresent(),
                given(environment, "HF_HUB_CACHE")
                        .map(Path::of)
                        .orElse(home.resolve("hub"))
                        .toAbsolutePath(),
                timeouts);
    }

    /// Returns the stripped value of a variable, unless it is empty.
    static Optional<String> given(Map<String, String> environment, String variable) {
        return Optional.ofNullable(environment.get(variable))
                .map(String::strip)
                .filter(value -> !value.isEmpty());
    }

    private static boolean isTrue(String value) {
        return List.of("1", "on", "yes", "true").contains(value.toLowerCase(Locale.ROOT));
    }

    private static URI endpoint(String text) {
        try {
            var endpoint = new URI(text.replaceAll("/+$", ""));
            if (List.of("http", "https").contains(String.valueOf(endpoint.getScheme()))
                    && endpoint.getHost() != null) {
                return endpoint;
            }
        } catch (URISyntaxException e) {
            // Refused below, like a URL without a scheme.
        }
        throw new SettingsException(
                "HF_ENDPOINT: \"%s\" is not a URL such as %s".formatted(text, DEFAULT_ENDPOINT));
    }

    /// Excludes the token and the proxies, which must not be logged.
    @Override
    public String toString() {
        return "HubConfig[%s, %s]".formatted(endpoint, cache);
    }
}
