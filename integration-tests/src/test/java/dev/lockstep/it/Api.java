// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.coordinator.OpenAiDescription;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Optional;
import java.util.stream.Stream;

/// The public HTTP API of one coordinator, as a client sees it. Its creator closes it.
final class Api implements AutoCloseable {
    private final int port;
    private final HttpClient client;
    private final Optional<String> tenant;

    /// A complete response.
    record Response(int status, JsonNode body, HttpHeaders headers) {

        /// Returns the body of a successful response.
        JsonNode ok() {
            assertEquals(200, status, body::toString);
            return body;
        }

        /// Returns `error.code` of a failed response.
        String errorCode() {
            return body.path("error").path("code").asText();
        }
    }

    /// Creates a client of HTTP/1.1.
    Api(int port) {
        this(port, HttpClient.Version.HTTP_1_1);
    }

    /// Creates a client.
    ///
    /// @param version HTTP/2 sends an upgrade with the first request, even one with a body
    Api(int port, HttpClient.Version version) {
        this(
                port,
                HttpClient.newBuilder()
                        .version(version)
                        .connectTimeout(BoundedWait.TIMEOUT)
                        .build(),
                Optional.empty());
    }

    private Api(int port, HttpClient client, Optional<String> tenant) {
        this.port = port;
        this.client = client;
        this.tenant = tenant;
    }

    /// Returns this API as a tenant uses it; closed with this one.
    Api ofTenant(String name) {
        return new Api(port, client, Optional.of(name));
    }

    int port() {
        return port;
    }

    Response get(String path) {
        return response(request(path).build());
    }

    /// Returns the body of a successful response that is not JSON.
    String text(String path) {
        HttpResponse<String> response =
                send(request(path).build(), HttpResponse.BodyHandlers.ofString());
        assertEquals(200, response.statusCode(), response::body);
        return response.body();
    }

    Response post(String path, JsonNode body) {
        return response(posting(path, body));
    }

    /// Returns the HTTP version of the response.
    HttpClient.Version versionOf(String path, JsonNode body) {
        return send(posting(path, body), HttpResponse.BodyHandlers.ofString()).version();
    }

    /// Opens a stream of events.
    EventReader stream(String path, JsonNode body) {
        HttpResponse<Stream<String>> response =
                send(posting(path, body), HttpResponse.BodyHandlers.ofLines());
        return new EventReader(path, response.statusCode(), response.body());
    }

    /// Opens a stream of events by GET.
    ///
    /// @param described the path at which OpenAI's description has the events
    EventReader replay(String path, String described) {
        HttpResponse<Stream<String>> response =
                send(request(path).build(), HttpResponse.BodyHandlers.ofLines());
        return new EventReader(described, response.statusCode(), response.body());
    }

    /// Goes on with a stream after its event with this id.
    ///
    /// @param described the path at which OpenAI's description has the events
    EventReader resume(String id, String described) {
        String response = id.substring(0, id.indexOf('/'));
        HttpRequest request =
                request("/v1/requests/" + response + "/events").header("last-event-id", id).build();
        HttpResponse<Stream<String>> answer = send(request, HttpResponse.BodyHandlers.ofLines());
        return new EventReader(described, answer.statusCode(), answer.body());
    }

    /// Posts a request that can be repeated by its key.
    Response postWithKey(String path, String key, JsonNode body) {
        return response(
                HttpRequest.newBuilder(posting(path, body), (_, _) -> true)
                        .header("idempotency-key", key)
                        .build());
    }

    /// Returns whether the coordinator is ready; false also when no process listens.
    boolean isReady() {
        return statusOf("/readyz") == 200;
    }

    /// Returns the status of the response, or 0 without a response.
    int statusOf(String path) {
        try {
            HttpRequest request = request(path).build();
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

    private HttpRequest.Builder request(String path) {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(uri(path)).timeout(BoundedWait.TIMEOUT);
        tenant.ifPresent(name -> request.header("x-lockstep-tenant", name));
        return request;
    }

    private HttpRequest posting(String path, JsonNode body) {
        return request(path)
                .header("content-type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body.toString()))
                .build();
    }

    private Response response(HttpRequest request) {
        HttpResponse<String> response = send(request, HttpResponse.BodyHandlers.ofString());
        OpenAiDescription.check(request.method(), request.uri().getRawPath(), response);
        return new Response(
                response.statusCode(), JsonNodes.parse(response.body()), response.headers());
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
