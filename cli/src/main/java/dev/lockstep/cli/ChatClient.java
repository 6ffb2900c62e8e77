package dev.lockstep.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.function.Consumer;
import java.util.stream.Stream;

/// Asks a running coordinator for one streamed chat answer.
final class ChatClient {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String DATA = "data: ";

    private final URI uri;
    private final HttpClient http =
            HttpClient.newBuilder()
                    .version(HttpClient.Version.HTTP_1_1)
                    .connectTimeout(Duration.ofSeconds(10))
                    .build();

    ChatClient(String host, int port) {
        this.uri = URI.create("http://%s:%d/v1/chat/completions".formatted(host, port));
    }

    /// Hands over the text piece by piece, as it comes.
    ///
    /// @throws UnusableException with the server's words when it refuses
    void stream(String model, String prompt, Consumer<String> text)
            throws IOException, InterruptedException {
        ObjectNode body = JSON.createObjectNode();
        body.put("model", model).put("stream", true);
        body.putArray("messages").addObject().put("role", "user").put("content", prompt);
        HttpRequest request =
                HttpRequest.newBuilder(uri)
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString(body.toString()))
                        .build();
        HttpResponse<Stream<String>> response =
                http.send(request, HttpResponse.BodyHandlers.ofLines());
        try (Stream<String> lines = response.body()) {
            if (response.statusCode() != 200) {
                throw new UnusableException(
                        "the server answers %d: %s"
                                .formatted(
                                        response.statusCode(), String.join(" ", lines.toList())));
            }
            for (String line : (Iterable<String>) lines::iterator) {
                if (line.startsWith(DATA) && !line.equals("data: [DONE]")) {
                    text.accept(delta(JSON.readTree(line.substring(DATA.length()))));
                }
            }
        }
    }

    private static String delta(JsonNode event) {
        if (event.has("error")) {
            throw new UnusableException(event.get("error").path("message").asText());
        }
        return event.path("choices").path(0).path("delta").path("content").asText("");
    }
}
