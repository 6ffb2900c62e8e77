package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.stream.Stream;

/// The public HTTP API of one coordinator, as a client sees it. Closed by whoever made it.
final class Api implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    private final int port;
    private final HttpClient client;

    /// A whole answer.
    record Answer(int status, JsonNode body, HttpHeaders headers) {

        /// The body of a success.
        JsonNode ok() {
            assertEquals(200, status, body::toString);
            return body;
        }

        /// `error.code` of a failure.
        String errorCode() {
            return body.path("error").path("code").asText();
        }
    }

    /// Speaks HTTP/1.1.
    Api(int port) {
        this(port, HttpClient.Version.HTTP_1_1);
    }

    /// @param version with HTTP/2 the first request asks for an upgrade, also when it has a body
    Api(int port, HttpClient.Version version) {
        this.port = port;
        this.client =
                HttpClient.newBuilder()
                        .version(version)
                        .connectTimeout(Duration.ofSeconds(10))
                        .build();
    }

    int port() {
        return port;
    }

    Answer get(String path) {
        return answer(HttpRequest.newBuilder(uri(path)).timeout(PATIENCE).build());
    }

    /// The body of a success that is no JSON.
    String text(String path) {
        var response =
                send(
                        HttpRequest.newBuilder(uri(path)).timeout(PATIENCE).build(),
                        HttpResponse.BodyHandlers.ofString());
        assertEquals(200, response.statusCode(), response::body);
        return response.body();
    }

    Answer post(String path, JsonNode body) {
        return answer(posting(path, body));
    }

    /// The version the server agreed to.
    HttpClient.Version versionOf(String path, JsonNode body) {
        return send(posting(path, body), HttpResponse.BodyHandlers.ofString()).version();
    }

    /// Begins to read a stream of events.
    EventReader stream(String path, JsonNode body) {
        HttpResponse<Stream<String>> response =
                send(posting(path, body), HttpResponse.BodyHandlers.ofLines());
        return new EventReader(response.statusCode(), response.body());
    }

    /// Whether it says it can serve; false also where nobody listens.
    boolean isReady() {
        return statusOf("/readyz") == 200;
    }

    /// The status of an answer, or 0 without one.
    int statusOf(String path) {
        try {
            HttpRequest request =
                    HttpRequest.newBuilder(uri(path)).timeout(Duration.ofSeconds(10)).build();
            return client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
        } catch (IOException e) {
            return 0;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return 0;
        }
    }

    private URI uri(String path) {
        return URI.create("http://127.0.0.1:" + port + path);
    }

    private HttpRequest posting(String path, JsonNode body) {
        return HttpRequest.newBuilder(uri(path))
                .timeout(PATIENCE)
                .header("content-type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body.toString()))
                .build();
    }

    private Answer answer(HttpRequest request) {
        HttpResponse<String> response = send(request, HttpResponse.BodyHandlers.ofString());
        return new Answer(response.statusCode(), Json.parse(response.body()), response.headers());
    }

    private <T> HttpResponse<T> send(HttpRequest request, HttpResponse.BodyHandler<T> handler) {
        try {
            return client.send(request, handler);
        } catch (IOException e) {
            throw new UncheckedIOException(request + " failed: " + e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    @Override
    public void close() {
        client.shutdownNow();
    }
}
