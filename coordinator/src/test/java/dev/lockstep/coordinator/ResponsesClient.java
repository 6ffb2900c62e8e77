// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;

/// Requests to `/v1/responses` of a coordinator under test.
final class ResponsesClient {
    static final String PATH = "/v1/responses";

    private final TestCoordinator server;

    ResponsesClient(TestCoordinator server) {
        this.server = server;
    }

    static String body(String more) {
        return "{\"model\":\"tiny\""
                + (more.contains("\"input\"") ? "" : ",\"input\":\"Hello\"")
                + (more.isEmpty() ? "" : ",")
                + more
                + "}";
    }

    JsonNode create(String more) throws Exception {
        return ok(server.post(PATH, body(more)));
    }

    JsonNode get(String path) throws Exception {
        return ok(server.get(PATH + "/" + path));
    }

    static JsonNode ok(HttpResponse<String> response) {
        assertEquals(200, response.statusCode(), response.body());
        return TestCoordinator.json(response.body());
    }

    HttpResponse<String> send(String method, String path, String... headers) throws Exception {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(server.uri(PATH + "/" + path))
                        .method(method, HttpRequest.BodyPublishers.noBody());
        if (headers.length > 0) {
            request.headers(headers);
        }
        return server.send(request.build());
    }

    static List<JsonNode> events(HttpResponse<String> response) {
        return events(response, 0);
    }

    /// Returns the events of a stream; they are numbered, and their names are their types.
    static List<JsonNode> events(HttpResponse<String> response, int first) {
        assertEquals(200, response.statusCode(), response.body());
        List<JsonNode> events = new ArrayList<>();
        for (String part : response.body().split("\n\n", 0)) {
            if (part.isEmpty() || part.startsWith(":")) {
                continue;
            }
            List<String> lines = part.lines().toList();
            assertEquals(2, lines.size(), part);
            JsonNode event = TestCoordinator.json(lines.getLast().substring("data: ".length()));
            assertEquals("event: " + event.path("type").asText(), lines.getFirst());
            assertEquals(first + events.size(), event.path("sequence_number").asInt(-1));
            events.add(event);
        }
        return events;
    }

    static List<String> types(List<JsonNode> events) {
        List<String> types = new ArrayList<>();
        for (JsonNode event : events) {
            String type = event.path("type").asText();
            if (types.isEmpty() || !types.getLast().equals(type)) {
                types.add(type);
            }
        }
        return types;
    }

    static String text(JsonNode response) {
        return response.at("/output/0/content/0/text").asText();
    }
}
