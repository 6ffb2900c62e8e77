// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import dev.lockstep.cli.console.UnusableException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/// Sends requests to a hub and to the hosts it redirects to, through proxies if configured. Only
/// the hub receives the token, and only the proxy its password. The creator closes it. Safe for any
/// number of threads.
final class HubHttp implements AutoCloseable {
    private static final Duration CONNECT = Duration.ofSeconds(10);
    private static final int MAX_REDIRECTS = 5;
    private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);

    private static final int PROXY_WANTS_CREDENTIALS = 407;

    static {
        // The default disables Basic authentication for tunnels. The JVM's first HTTP client reads
        // the property once.
        String schemes = "jdk.http.auth.tunneling.disabledSchemes";
        if (System.getProperty(schemes) == null) {
            System.setProperty(schemes, "");
        }
    }

    private final HubConfig config;
    private final HttpClient client;

    HubHttp(HubConfig config) {
        this.config = config;
        this.client =
                HttpClient.newBuilder()
                        // Several connections are faster than several streams of one connection.
                        .version(HttpClient.Version.HTTP_1_1)
                        .followRedirects(HttpClient.Redirect.NEVER)
                        .connectTimeout(CONNECT)
                        .proxy(config.proxies().selector())
                        .build();
    }

    /// The last response to a request. The caller closes its body.
    ///
    /// @param hops headers of every response, from the first redirect to the last response
    record Response(List<HttpHeaders> hops, HttpResponse<InputStream> last) {
        Response {
            hops = List.copyOf(hops);
        }

        int status() {
            return last.statusCode();
        }

        /// Returns a header of the first response that has it: the hub's takes precedence over a
        /// storage host's.
        Optional<String> header(String name) {
            return hops.stream().flatMap(hop -> hop.firstValue(name).stream()).findFirst();
        }

        OptionalLong lastLength() {
            return last.headers().firstValueAsLong("Content-Length");
        }

        boolean isRedirect() {
            return REDIRECTS.contains(status());
        }

        void drop() throws IOException {
            last.body().close();
        }
    }

    /// Sends a request and follows redirects.
    ///
    /// @param headers headers for every host
    /// @param hubHeaders headers for the hub only
    /// @param followAway whether to follow a redirect to another host; if not, returns the redirect
    Response send(
            String method,
            URI uri,
            Map<String, String> headers,
            Map<String, String> hubHeaders,
            boolean followAway)
            throws IOException, InterruptedException {
        List<HttpHeaders> hops = new ArrayList<>();
        URI next = uri;
        while (true) {
            HttpRequest.Builder request =
                    HttpRequest.newBuilder(next)
                            .method(method, HttpRequest.BodyPublishers.noBody())
                            .timeout(config.timeouts().silence())
                            .header("Accept-Encoding", "identity")
                            .header("User-Agent", "lockstep");
            headers.forEach(request::header);
            if (isHub(next)) {
                hubHeaders.forEach(request::header);
                config.token()
                        .text()
                        .ifPresent(token -> request.header("Authorization", "Bearer " + token));
            }
            HttpResponse<InputStream> last = exchange(next, request);
            hops.add(last.headers());
            var response = new Response(hops, last);
            if (!response.isRedirect()) {
                return response;
            }
            URI target = target(next, last);
            if (!followAway && !isHub(target)) {
                return response;
            }
            response.drop();
            if (hops.size() > MAX_REDIRECTS) {
                throw new IOException(
                        "%s redirects more than %d times".formatted(uri, MAX_REDIRECTS));
            }
            next = target;
        }
    }

    /// Sends one request, with the authorization of its proxy. Uses no [java.net.Authenticator]:
    /// with one, the HTTP client fails on a status 401 without a challenge.
    private HttpResponse<InputStream> exchange(URI uri, HttpRequest.Builder request)
            throws IOException, InterruptedException {
        Optional<HubProxy> proxy = config.proxies().toward(uri);
        proxy.flatMap(HubProxy::authorization)
                .ifPresent(value -> request.header("Proxy-Authorization", value));
        HttpResponse<InputStream> response;
        try {
            response = client.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
        } catch (IOException e) {
            if (proxy.isEmpty()) {
                throw e;
            }
            throw new IOException(
                    "%s through the proxy %s".formatted(HubClient.reason(e), proxy.get()), e);
        }
        if (response.statusCode() == PROXY_WANTS_CREDENTIALS && proxy.isPresent()) {
            // The body of a refused tunnel is null, contrary to the JDK's documentation.
            try (InputStream _ = response.body()) {
                throw new UnusableException(proxy.get().refusal());
            }
        }
        return response;
    }

    private static URI target(URI from, HttpResponse<?> response) throws IOException {
        String location = response.headers().firstValue("Location").orElse("");
        try {
            URI target = from.resolve(location);
            boolean insecure =
                    "https".equals(from.getScheme()) && "http".equals(target.getScheme());
            if (!location.isEmpty() && !insecure) {
                return target;
            }
        } catch (IllegalArgumentException e) {
            // Refused below, like a missing location.
        }
        throw new IOException("%s redirects to \"%s\"".formatted(from, location));
    }

    /// Returns whether the address is the hub itself, not a host it redirects to.
    boolean isHub(URI uri) {
        URI hub = config.endpoint();
        return Objects.equals(hub.getScheme(), uri.getScheme())
                && Objects.equals(hub.getRawAuthority(), uri.getRawAuthority());
    }

    @Override
    public void close() {
        client.shutdownNow();
    }
}
