// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/// The settings that decide who may use the public port.
///
/// @param host the address it listens on
/// @param loopback whether only this host can reach it
/// @param corsOrigins origins of pages that may use it, in lower case; `*` is any
/// @param allowedHosts names in `Host` headers that are accepted in addition to those of the
///   loopback address, in lower case; `*` is any
public record AccessConfig(
        ApiKeys keys,
        String host,
        boolean loopback,
        Set<String> corsOrigins,
        Set<String> allowedHosts) {
    static final String ANY = "*";

    private static final Pattern ORIGIN =
            Pattern.compile("\\*|null|[a-z][a-z0-9+.-]*://[^/?#@\\s]+");
    private static final Pattern HOST_NAME = Pattern.compile("\\*|\\[[0-9a-f:.]+\\]|[a-z0-9._-]+");

    public static final Key<List<String>> CORS_ORIGINS =
            Key.texts(
                    "cors-origins",
                    "ORIGIN[,ORIGIN]",
                    "web pages that may use the API: https://host, or * for any",
                    AccessConfig::requireOrigin);

    public static final Key<List<String>> ALLOWED_HOSTS =
            Key.texts(
                    "allowed-hosts",
                    "NAME[,NAME]",
                    "further names of this server in Host headers; * accepts any",
                    AccessConfig::requireHostName);

    public static final Key<Boolean> INSECURE_BIND =
            Key.flag("insecure-bind", "let everyone who reaches --host use the API without a key");

    /// The keys of these settings, apart from `--host`.
    public static final List<Key<?>> KEYS =
            List.of(
                    ApiKeys.API_KEY,
                    ApiKeys.API_KEY_FILE,
                    ApiKeys.ADMIN_KEY,
                    INSECURE_BIND,
                    CORS_ORIGINS,
                    ALLOWED_HOSTS);

    public AccessConfig {
        corsOrigins = Set.copyOf(corsOrigins);
        allowedHosts = Set.copyOf(allowedHosts);
    }

    /// Reads the settings.
    ///
    /// @throws SettingsException if other hosts could use the API without a key, unless that is
    ///   wanted
    public static AccessConfig of(Settings settings) {
        String host = settings.value(ProcessKeys.HOST);
        var config =
                new AccessConfig(
                        ApiKeys.of(settings),
                        host,
                        isLoopback(host),
                        Set.copyOf(settings.find(CORS_ORIGINS).orElse(List.of())),
                        Set.copyOf(settings.find(ALLOWED_HOSTS).orElse(List.of())));
        if (config.isOpen() && !settings.value(INSECURE_BIND)) {
            throw new SettingsException(
                    "--host "
                            + host
                            + " lets other hosts use the API without a key: give --api-key-file or"
                            + " the variable "
                            + ApiKeys.API_KEY.environmentName()
                            + ", or --insecure-bind to allow it");
        }
        return config;
    }

    /// Returns whether other hosts can use the API without a key.
    public boolean isOpen() {
        return !loopback && keys.isEmpty();
    }

    /// Returns the warning for a start with [#isOpen].
    public String warning() {
        return "everyone who can reach "
                + host
                + " can use the API: there is no --api-key, and --insecure-bind allows it";
    }

    private static boolean isLoopback(String host) {
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException e) {
            throw new SettingsException(
                    "--host: \"" + host + "\" is neither an address nor a known name");
        }
    }

    private static String requireOrigin(String text) {
        String origin = text.toLowerCase(Locale.ROOT);
        if (!ORIGIN.matcher(origin).matches()) {
            throw new IllegalArgumentException(
                    "\"" + text + "\" is not an origin such as https://host or http://host:port");
        }
        return origin;
    }

    private static String requireHostName(String text) {
        String name = text.toLowerCase(Locale.ROOT);
        if (!HOST_NAME.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    "\"" + text + "\" is not a host's name or address, without a port");
        }
        return name;
    }
}
