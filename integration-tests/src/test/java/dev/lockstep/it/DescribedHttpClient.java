// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import com.openai.client.okhttp.OkHttpClient;
import com.openai.core.RequestOptions;
import com.openai.core.http.Headers;
import com.openai.core.http.HttpClient;
import com.openai.core.http.HttpRequest;
import com.openai.core.http.HttpResponse;
import dev.lockstep.coordinator.OpenAiDescription;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;

/// The HTTP client below OpenAI's client, which compares every response with OpenAI's description
/// before it passes it on. A stream is read whole for that.
final class DescribedHttpClient implements HttpClient {
    private final HttpClient client = OkHttpClient.builder().build();

    /// A response that was read.
    private record Whole(int statusCode, Headers headers, byte[] bytes) implements HttpResponse {
        @Override
        public InputStream body() {
            return new ByteArrayInputStream(bytes);
        }

        @Override
        public void close() {}
    }

    @Override
    public HttpResponse execute(HttpRequest request, RequestOptions options) {
        try (HttpResponse response = client.execute(request, options)) {
            byte[] body = response.body().readAllBytes();
            OpenAiDescription.check(
                    request.method().name(),
                    URI.create(request.url()).getRawPath(),
                    response.statusCode(),
                    String.join("", response.headers().values("content-type")),
                    new String(body, StandardCharsets.UTF_8));
            return new Whole(response.statusCode(), response.headers(), body);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public CompletableFuture<HttpResponse> executeAsync(
            HttpRequest request, RequestOptions options) {
        return CompletableFuture.supplyAsync(() -> execute(request, options));
    }

    @Override
    public void close() {
        client.close();
    }
}
