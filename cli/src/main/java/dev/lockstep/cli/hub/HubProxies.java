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

/// The proxies that the environment names: `HTTPS_PROXY` or `HTTP_PROXY` by the address, else
/// `ALL_PROXY`, and none for hosts of [NoProxy]. A name in small letters comes before one in
/// capitals, and before it even when it is empty.
///
/// A value is read when an address needs it, so one for other addresses does no harm.
final class HubProxies {
    private final Map<String, String> environment;
    private final NoProxy direct;

    HubProxies(Map<String, String> environment) {
        this.environment = Map.copyOf(environment);
        this.direct = NoProxy.parse(variable("no_proxy").map(this::value).orElse(""));
    }

    /// The proxy on the way to an address, where there is one.
    Optional<HubProxy> toward(URI uri) {
        return variable(uri.getScheme() + "_proxy")
                .or(() -> variable("all_proxy"))
                .filter(_ -> !direct.covers(uri))
                .map(name -> HubProxy.parse(name, value(name)));
    }

    /// For the HTTP client; where the environment names none, the JVM's own properties count.
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
                // Whoever asked is told.
            }
        };
    }

    /// The name that is in the environment and not empty.
    private Optional<String> variable(String name) {
        String capitals = name.toUpperCase(Locale.ROOT);
        return Optional.of(environment.containsKey(name) ? name : capitals)
                .filter(it -> !value(it).isBlank());
    }

    private String value(String name) {
        return environment.getOrDefault(name, "");
    }
}
