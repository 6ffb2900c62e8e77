// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import java.io.IOException;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/// The proxies that the environment names: `HTTPS_PROXY` or `HTTP_PROXY` by the scheme of the
/// address, else `ALL_PROXY`, and none for hosts of [NoProxy]. A lower-case name takes precedence
/// over the upper-case one, even if its value is empty.
///
/// A value is parsed when an address needs it, so an invalid value for other addresses has no
/// effect.
final class HubProxies {
    private final Map<String, String> environment;
    private final NoProxy direct;

    HubProxies(Map<String, String> environment) {
        this.environment = Map.copyOf(environment);
        this.direct = NoProxy.parse(variable("no_proxy").map(this::value).orElse(""));
    }

    /// Returns the proxy for an address, if there is one.
    Optional<HubProxy> toward(URI uri) {
        return variable(uri.getScheme() + "_proxy")
                .or(() -> variable("all_proxy"))
                .filter(_ -> !direct.covers(uri))
                .map(name -> HubProxy.parse(name, value(name)));
    }

    /// Returns a selector for the HTTP client; if the environment names no proxy, the JVM's default
    /// selector decides.
    ProxySelector selector() {
        return new ProxySelector() {
            @Override
            public List<Proxy> select(URI uri) {
                return toward(uri)
                        .map(proxy -> List.of(proxy.proxy()))
                        .or(
                                () ->
                                        Optional.ofNullable(ProxySelector.getDefault())
                                                .map(jvm -> jvm.select(uri)))
                        .orElse(List.of(Proxy.NO_PROXY));
            }

            @Override
            public void connectFailed(URI uri, SocketAddress address, IOException failure) {
                // The caller of the HTTP client receives the failure.
            }
        };
    }

    /// Returns the lower-case name if it is in the environment, else the upper-case one; empty if
    /// the value is blank.
    private Optional<String> variable(String name) {
        String upperCase = name.toUpperCase(Locale.ROOT);
        return Optional.of(environment.containsKey(name) ? name : upperCase)
                .filter(it -> !value(it).isBlank());
    }

    private String value(String name) {
        return environment.getOrDefault(name, "");
    }
}
