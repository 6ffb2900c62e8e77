// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.cluster.process.SettingsException;
import java.net.URI;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests the proxy variables of the environment.
class HubProxiesTest {
    private static final URI HUB = URI.create("https://hub.test/api");
    private static final URI PLAIN = URI.create("http://hub.test:8080/api");

    private static String toward(URI uri, Map<String, String> environment) {
        return new HubProxies(environment).toward(uri).map(HubProxy::toString).orElse("direct");
    }

    @Test
    void theVariableOfTheSchemeTakesPrecedenceOverAllProxy() {
        assertEquals("direct", toward(HUB, Map.of()));
        assertEquals("direct", toward(HUB, Map.of("HTTP_PROXY", "a:1")));
        assertEquals("a:1 of HTTP_PROXY", toward(PLAIN, Map.of("HTTP_PROXY", "a:1")));
        Map<String, String> both = Map.of("HTTPS_PROXY", "a:1", "ALL_PROXY", "b:2");
        assertEquals("a:1 of HTTPS_PROXY", toward(HUB, both));
        assertEquals("b:2 of ALL_PROXY", toward(PLAIN, both));
    }

    @Test
    void lowerCaseNamesTakePrecedenceEvenIfEmpty() {
        assertEquals(
                "a:1 of https_proxy",
                toward(HUB, Map.of("https_proxy", "a:1", "HTTPS_PROXY", "b")));
        assertEquals("direct", toward(HUB, Map.of("https_proxy", "", "HTTPS_PROXY", "b:2")));
        assertEquals(
                "c:3 of all_proxy", toward(HUB, Map.of("https_proxy", "", "all_proxy", "c:3")));
        assertEquals(
                "direct",
                toward(HUB, Map.of("https_proxy", "a:1", "no_proxy", "hub.test", "NO_PROXY", "x")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    proxy                          | proxy    | 80   |
                    proxy:3128                     | proxy    | 3128 |
                    http://proxy:3128/             | proxy    | 3128 |
                    HTTP://10.0.0.1:8080           | 10.0.0.1 | 8080 |
                    http://[fd00::1]:3128          | [fd00::1]| 3128 |
                    ann:secret@proxy:3128          | proxy    | 3128 | ann:secret
                    http://ann:s%40c+r%3Aet@p:1    | p        | 1    | ann:s@c+r:et
                    http://ann:a/b@c#d@p:1         | p        | 1    | ann:a/b@c#d
                    """)
    void aValueMayHaveTheFormsThatOtherClientsAccept(
            String value, String host, int port, String credentials) {
        HubProxy proxy = HubProxy.parse("HTTPS_PROXY", value);
        assertEquals(
                new HubProxy("HTTPS_PROXY", host, port, Optional.ofNullable(credentials)), proxy);
        assertFalse(proxy.toString().contains("ann"), "no credentials in the text");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    proxy:port                     | proxy:port | is not a proxy
                    http://                        | http:// | is not a proxy
                    http://ann:secret@             | http://***@ | is not a proxy
                    ann:s@cr/et@pro xy:1           | ***@pro xy:1 | is not a proxy
                    proxy:70000                    | proxy:70000 | has no port from 1 to 65535
                    socks5://ann:secret@proxy:1080 | socks5://***@proxy:1080 | uses socks5, only http is supported
                    https://proxy:443              | https://proxy:443 | uses https, only http is supported
                    http://ann:sec%ret@proxy:1     | http://***@proxy:1 | has a % in its user or password that must be %25
                    """)
    void anUnusableValueIsOneLineWithoutThePassword(String value, String shown, String why) {
        var proxies = new HubProxies(Map.of("https_proxy", value));
        assertEquals(
                "https_proxy: \"%s\" %s: name one as http://[user:password@]host:port, or list the host in NO_PROXY"
                        .formatted(shown, why),
                assertThrows(SettingsException.class, () -> proxies.toward(HUB)).getMessage());
        assertEquals(Optional.empty(), proxies.toward(PLAIN), "other schemes are not affected");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    *                        | https://hub.test        | true
                    x, *                     | https://hub.test        | true
                    hub.test                 | https://hub.test        | true
                    HUB.test                 | https://Hub.Test        | true
                    hub.test                 | https://cdn.hub.test/x  | true
                    .hub.test                | https://cdn.hub.test    | true
                    *.hub.test               | https://cdn.hub.test    | true
                    hub.test                 | https://nohub.test      | false
                    cdn.hub.test             | https://hub.test        | false
                    a.test b.test,hub.test   | https://hub.test        | true
                    hub.test:443             | https://hub.test        | true
                    hub.test:443             | https://hub.test:8443   | false
                    hub.test:8443            | https://hub.test:8443   | true
                    10.0.0.1                 | http://10.0.0.1:80      | true
                    fd00::1                  | http://[fd00::1]/       | true
                    [fd00::1]:8080           | http://[fd00::1]/       | false
                    https://hub.test/        | https://hub.test        | false
                    ''                       | https://hub.test        | false
                    ''                       | http://localhost:8080   | true
                    ''                       | http://127.0.0.1:8080   | true
                    ''                       | http://127.9.9.9        | true
                    ''                       | http://[::1]:8080       | true
                    ''                       | http://127.0.0.1.test   | false
                    """)
    void noProxyCoversHosts(String list, URI uri, boolean direct) {
        assertEquals(direct, NoProxy.parse(list).covers(uri));
    }
}
