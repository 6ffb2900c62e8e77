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

/// Requests to a hub and to the hosts it redirects to, by way of proxies where there are any. The
/// token goes to the hub alone, a proxy's password to the proxy. Closed by whoever opened it. Safe
/// for any number of threads.
final class HubHttp implements AutoCloseable {
    private static final Duration CONNECT = Duration.ofSeconds(10);
    private static final int MOST_REDIRECTS = 5;
    private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);

    private static final int PROXY_WANTS_CREDENTIALS = 407;

    static {
        // Else a proxy gets no password for a tunnel. Read once, by the JVM's first HTTP client.
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
                        // Several connections receive more than several streams of one.
                        .version(HttpClient.Version.HTTP_1_1)
                        .followRedirects(HttpClient.Redirect.NEVER)
                        .connectTimeout(CONNECT)
                        .proxy(config.proxies().selector())
                        .build();
    }

    /// A request's last answer, whose body its holder closes, with the headers of those that
    /// redirected to it.
    record Answer(List<HttpHeaders> hops, HttpResponse<InputStream> last) {
        Answer {
            hops = List.copyOf(hops);
        }

        int status() {
            return last.statusCode();
        }

        /// Of the first answer that has it: the hub's own word comes before a storage host's.
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

    /// Asks, and follows redirects.
    ///
    /// @param ofHub headers for the hub alone
    /// @param away whether to follow to another host; the redirect itself is the answer otherwise
    Answer send(
            String method,
            URI uri,
            Map<String, String> headers,
            Map<String, String> ofHub,
            boolean away)
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
                ofHub.forEach(request::header);
                config.token()
                        .text()
                        .ifPresent(token -> request.header("Authorization", "Bearer " + token));
            }
            HttpResponse<InputStream> response = exchange(next, request);
            hops.add(response.headers());
            Answer answer = new Answer(hops, response);
            if (!answer.isRedirect()) {
                return answer;
            }
            URI target = target(next, response);
            if (!away && !isHub(target)) {
                return answer;
            }
            answer.drop();
            if (hops.size() > MOST_REDIRECTS) {
                throw new IOException("%s redirects in circles".formatted(uri));
            }
            next = target;
        }
    }

    /// One request, with what its proxy wants to know. Not by an [java.net.Authenticator]: with
    /// one, the HTTP client fails where a hub answers 401 without a challenge.
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
                    "%s by way of the proxy %s".formatted(HubClient.reason(e), proxy.get()), e);
        }
        if (response.statusCode() == PROXY_WANTS_CREDENTIALS && proxy.isPresent()) {
            // The body of a tunnel's refusal is null, whatever the JDK's documentation says.
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
            // Refused below, as none at all is.
        }
        throw new IOException("%s redirects to \"%s\"".formatted(from, location));
    }

    /// Whether this is the hub itself, and not a host it redirects to.
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
