// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import dev.lockstep.cluster.process.SettingsException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// An HTTP proxy, as an environment variable names it: `[http://][user:password@]host[:port]`.
///
/// @param variable the name of the variable
/// @param credentials `user:password`, decoded
record HubProxy(String variable, String host, int port, Optional<String> credentials) {
    private static final int DEFAULT_PORT = 80;
    private static final int LAST_PORT = 65535;
    private static final Pattern FORM =
            Pattern.compile(
                    "(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(?:(.*)@)?"
                            + "([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+])(?::([0-9]{1,5}))?/?");

    static HubProxy parse(String variable, String value) {
        Matcher form = FORM.matcher(value.strip());
        if (!form.matches()) {
            throw unusable(variable, value, "is not a proxy");
        }
        String scheme = Optional.ofNullable(form.group(1)).orElse("http");
        if (!scheme.equalsIgnoreCase("http")) {
            throw unusable(variable, value, "uses %s, only http is supported".formatted(scheme));
        }
        int port = Optional.ofNullable(form.group(4)).map(Integer::parseInt).orElse(DEFAULT_PORT);
        if (port < 1 || port > LAST_PORT) {
            throw unusable(variable, value, "has no port from 1 to " + LAST_PORT);
        }
        try {
            return new HubProxy(
                    variable,
                    form.group(3),
                    port,
                    Optional.ofNullable(form.group(2)).map(HubProxy::decoded));
        } catch (IllegalArgumentException e) {
            throw unusable(variable, value, "has a % in its user or password that must be %25");
        }
    }

    private static String decoded(String text) {
        // Not a form: a plus is not a space.
        return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
    }

    private static SettingsException unusable(String variable, String value, String why) {
        return new SettingsException(
                "%s: \"%s\" %s: name one as http://[user:password@]host:port, or list the host in NO_PROXY"
                        .formatted(variable, withoutCredentials(value.strip()), why));
    }

    /// Masks everything before the last `@`: all of it may be part of the password.
    private static String withoutCredentials(String value) {
        int end = value.lastIndexOf('@');
        int scheme = value.indexOf("://");
        int start = scheme >= 0 && scheme < end ? scheme + "://".length() : 0;
        return end < 0 ? value : value.substring(0, start) + "***" + value.substring(end);
    }

    /// Converts it for the HTTP client, which resolves the host.
    Proxy proxy() {
        return new Proxy(Proxy.Type.HTTP, InetSocketAddress.createUnresolved(bareHost(), port));
    }

    private String bareHost() {
        return host.replaceAll("[\\[\\]]", "");
    }

    /// Returns the value of the header `Proxy-Authorization`, if there are credentials.
    Optional<String> authorization() {
        return credentials.map(
                it ->
                        "Basic "
                                + Base64.getEncoder()
                                        .encodeToString(it.getBytes(StandardCharsets.UTF_8)));
    }

    /// Returns the error message, with the remedy, for a status 407 of the proxy.
    String refusal() {
        return credentials.isPresent()
                ? "the proxy %s:%d does not accept the user and password (Basic) of %s: correct them there"
                        .formatted(host, port, variable)
                : "the proxy %s:%d asks for a user and password: set %s to http://user:password@%s:%d"
                        .formatted(host, port, variable, host, port);
    }

    /// Excludes the credentials, which must not be logged.
    @Override
    public String toString() {
        return "%s:%d of %s".formatted(host, port, variable);
    }
}
