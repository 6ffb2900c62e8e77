package dev.lockstep.cli.hub;

import dev.lockstep.cluster.process.SettingsException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/// Where a hub is and how to speak to it, from the environment variables its other clients read.
///
/// @param endpoint without a slash at its end
/// @param offline only what is in the cache
/// @param cache shared with the hub's other clients
record HubConfig(
        URI endpoint,
        HubToken token,
        HubProxies proxies,
        boolean offline,
        Path cache,
        Timeouts timeouts) {
    private static final String DEFAULT_ENDPOINT = "https://huggingface.co";

    /// How long a hub is waited for.
    ///
    /// @param attempts without a byte of progress
    /// @param firstPause before the second attempt; doubles from there
    /// @param longestAsked a busy host that asks for more is not waited for
    /// @param silence after which a connection counts as broken
    record Timeouts(int attempts, Duration firstPause, Duration longestAsked, Duration silence) {
        static final Timeouts DEFAULT =
                new Timeouts(
                        5, Duration.ofMillis(500), Duration.ofMinutes(1), Duration.ofSeconds(30));
    }

    static HubConfig of(Map<String, String> environment) {
        return of(environment, Timeouts.DEFAULT);
    }

    /// Reads `HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_HUB_CACHE`, `HF_HOME`, and what [HubToken] and
    /// [HubProxies] read.
    static HubConfig of(Map<String, String> environment, Timeouts timeouts) {
        Path home =
                given(environment, "HF_HOME")
                        .map(Path::of)
                        .orElseGet(() -> userCache(environment).resolve("huggingface"));
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

    /// `$XDG_CACHE_HOME` or `~/.cache`.
    static Path userCache(Map<String, String> environment) {
        return given(environment, "XDG_CACHE_HOME")
                .map(Path::of)
                .orElseGet(() -> Path.of(System.getProperty("user.home"), ".cache"));
    }

    /// What a variable holds, unless that is nothing.
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
            URI endpoint = new URI(text.replaceAll("/+$", ""));
            if (List.of("http", "https").contains(String.valueOf(endpoint.getScheme()))
                    && endpoint.getHost() != null) {
                return endpoint;
            }
        } catch (URISyntaxException e) {
            // Refused below, as one without a scheme is.
        }
        throw new SettingsException(
                "HF_ENDPOINT: \"%s\" is not a URL such as %s".formatted(text, DEFAULT_ENDPOINT));
    }

    /// Where, without how.
    @Override
    public String toString() {
        return "HubConfig[%s, %s]".formatted(endpoint, cache);
    }
}
