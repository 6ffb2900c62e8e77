package dev.lockstep.cli;

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

/// Requests to a hub and to the hosts it redirects to. The token goes to the hub alone. Closed by
/// whoever opened it. Safe for any number of threads.
final class HubHttp implements AutoCloseable {
    private static final Duration CONNECT = Duration.ofSeconds(10);
    private static final int MOST_REDIRECTS = 5;
    private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);

    private final HubConfig config;
    private final HttpClient client =
            HttpClient.newBuilder()
                    // Several connections receive more than several streams of one.
                    .version(HttpClient.Version.HTTP_1_1)
                    .followRedirects(HttpClient.Redirect.NEVER)
                    .connectTimeout(CONNECT)
                    .build();

    HubHttp(HubConfig config) {
        this.config = config;
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
                            .timeout(config.patience().silence())
                            .header("Accept-Encoding", "identity")
                            .header("User-Agent", "lockstep");
            headers.forEach(request::header);
            if (isHub(next)) {
                ofHub.forEach(request::header);
                config.token()
                        .ifPresent(token -> request.header("Authorization", "Bearer " + token));
            }
            HttpResponse<InputStream> response =
                    client.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
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
