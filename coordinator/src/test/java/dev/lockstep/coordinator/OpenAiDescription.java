// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SchemaValidatorsConfig;
import com.networknt.schema.SpecVersion;
import com.networknt.schema.ValidationMessage;
import dev.lockstep.checkpoint.Fixtures;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// OpenAI's description of its API, with which every response at one of its paths is compared:
/// whole responses, each event of a stream, and errors.
///
/// Where the description is absent, a line says so and nothing is compared.
public final class OpenAiDescription {
    static final String FIXTURE = "openai/openapi.json";
    private static final String SCHEMAS = "#/components/schemas/";
    private static final String JSON_TYPE = "application/json";
    private static final String STREAM = "text/event-stream";
    private static final String COMPLETION_CHOICE =
            "/components/schemas/CreateCompletionResponse/properties/choices/items/properties/";
    private static final String COMPLETION_LOGPROBS =
            COMPLETION_CHOICE + "logprobs/anyOf/0/properties/";

    /// Places that may be null here although the description says otherwise, with the reason.
    private static final Map<String, String> MAY_BE_NULL =
            Map.of(
                    "/components/schemas/CreateChatCompletionStreamResponse/properties/usage",
                    "the description's own text says so of chunks before the last",
                    "/components/schemas/CreateCompletionResponse/properties/usage",
                    "chunks before the last, as in chats",
                    COMPLETION_CHOICE + "finish_reason",
                    "a chunk before the last has none, and the description has no schema of chunks",
                    COMPLETION_LOGPROBS + "token_logprobs/items",
                    "the first token of an echoed prompt has no log-probability",
                    COMPLETION_LOGPROBS + "top_logprobs/items",
                    "the first token of an echoed prompt has no log-probability");

    /// Places with another schema here, with the reason.
    private static final Map<String, Replaced> REPLACED =
            Map.of(
                    "/components/schemas/Embedding/properties/embedding",
                    new Replaced(
                            "{\"type\":[\"array\",\"string\"],\"items\":{\"type\":\"number\"}}",
                            "base64 is a text, and the description knows arrays only"));

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Optional<OpenAiDescription> DESCRIPTION = load();

    private final ObjectNode document;
    private final JsonSchemaFactory factory =
            JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012);
    private final SchemaValidatorsConfig config =
            SchemaValidatorsConfig.builder()
                    .nullableKeywordEnabled(true)
                    .preloadJsonSchema(false)
                    .build();
    private final Map<String, JsonSchema> schemas = new ConcurrentHashMap<>();

    private record Replaced(String schema, String reason) {}

    private OpenAiDescription(ObjectNode document) {
        this.document = document;
        MAY_BE_NULL.keySet().forEach(place -> replace(place, orNull(document.at(place))));
        REPLACED.forEach((place, by) -> replace(place, parse(by.schema)));
    }

    /// Throws an `AssertionError` if the response is not as the description says.
    ///
    /// @param path with `/v1`; other paths than OpenAI's are not compared
    public static void check(String method, String path, HttpResponse<String> response) {
        check(
                method,
                path,
                response.statusCode(),
                response.headers().firstValue("content-type").orElse(""),
                response.body());
    }

    /// As the other one, for responses of other clients.
    public static void check(String method, String path, int status, String type, String body) {
        DESCRIPTION.ifPresent(description -> description.compare(method, path, status, type, body));
    }

    /// Throws an `AssertionError` if the event of a stream that was requested by POST is not as the
    /// description says.
    public static void checkEvent(String path, JsonNode event) {
        DESCRIPTION.ifPresent(
                description ->
                        description
                                .operation("POST", path)
                                .ifPresent(
                                        operation -> description.compareEvent(operation, event)));
    }

    private static Optional<OpenAiDescription> load() {
        Optional<Path> file = Fixtures.find(FIXTURE);
        if (file.isEmpty()) {
            if ("true".equals(System.getenv("CI"))) {
                throw new IllegalStateException("fixture " + FIXTURE + " is missing");
            }
            System.out.println(
                    "skipped: comparison with OpenAI's description, fixture "
                            + FIXTURE
                            + " is missing");
            return Optional.empty();
        }
        try {
            var document = (ObjectNode) JSON.readTree(file.get().toFile());
            return Optional.of(new OpenAiDescription(document));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void compare(String method, String path, int status, String type, String body) {
        Optional<JsonNode> operation = operation(method, path);
        if (operation.isEmpty()
                || body.isEmpty()
                || (status == 200 && content(operation.get()).isMissingNode())) {
            return;
        }
        if (status != 200) {
            compare(SCHEMAS + "ErrorResponse", parse(body));
        } else if (type.startsWith(STREAM)) {
            body.lines()
                    .filter(line -> line.startsWith("data: ") && !line.equals("data: [DONE]"))
                    .map(line -> parse(line.substring("data: ".length())))
                    .forEach(event -> compareEvent(operation.get(), event));
        } else {
            compare(schema(operation.get(), JSON_TYPE), parse(body));
        }
    }

    private void compareEvent(JsonNode operation, JsonNode event) {
        boolean error = event.path("error").isObject() && !event.has("type");
        compare(error ? SCHEMAS + "ErrorResponse" : eventSchema(operation), event);
    }

    private static String eventSchema(JsonNode operation) {
        if (content(operation).has(STREAM)) {
            return schema(operation, STREAM);
        }
        // Chunks of completions have the schema of whole ones. A response that is retrieved has the
        // parameter `stream`, but no schema for it.
        String whole = schema(operation, JSON_TYPE);
        return whole.equals(SCHEMAS + "Response") ? SCHEMAS + "ResponseStreamEvent" : whole;
    }

    private static JsonNode content(JsonNode operation) {
        return operation.at("/responses/200/content");
    }

    private static String schema(JsonNode operation, String type) {
        String ref = content(operation).path(type).at("/schema/$ref").asText();
        if (ref.isEmpty()) {
            throw new AssertionError("no schema of " + type + " in " + operation);
        }
        return ref;
    }

    private Optional<JsonNode> operation(String method, String path) {
        return item(path)
                .map(item -> item.path(method.toLowerCase(Locale.ROOT)))
                .filter(JsonNode::isObject);
    }

    private void compare(String ref, JsonNode value) {
        Set<ValidationMessage> faults = schemas.computeIfAbsent(ref, this::schema).validate(value);
        if (!faults.isEmpty()) {
            throw new AssertionError(
                    "not as OpenAI's %s: %s in %s"
                            .formatted(ref.substring(SCHEMAS.length()), faults, value));
        }
    }

    private JsonSchema schema(String ref) {
        ObjectNode root = JSON.createObjectNode().put("$ref", ref);
        root.set("components", document.get("components"));
        return factory.getSchema(root, config);
    }

    /// Returns the item of a path whose variables stand for one segment each.
    private Optional<JsonNode> item(String path) {
        if (!path.startsWith("/v1/")) {
            return Optional.empty();
        }
        // Some clients write a slash at the end.
        String own = path.substring("/v1".length()).replaceFirst("/$", "");
        JsonNode exact = document.get("paths").path(own);
        if (!exact.isMissingNode()) {
            return Optional.of(exact);
        }
        return document.get("paths").properties().stream()
                .filter(entry -> matches(entry.getKey().split("/", -1), own.split("/", -1)))
                .map(Map.Entry::getValue)
                .findFirst();
    }

    private static boolean matches(String[] template, String[] path) {
        boolean matches = template.length == path.length;
        for (int i = 0; matches && i < path.length; i++) {
            matches =
                    template[i].equals(path[i])
                            || (template[i].startsWith("{") && template[i].endsWith("}"));
        }
        return matches;
    }

    private static JsonNode orNull(JsonNode schema) {
        ObjectNode either = JSON.createObjectNode();
        ArrayNode options = either.putArray("anyOf").add(schema);
        options.addObject().put("type", "null");
        return either;
    }

    private void replace(String place, JsonNode schema) {
        int last = place.lastIndexOf('/');
        if (document.at(place).isMissingNode()) {
            throw new IllegalStateException("the description has nothing at " + place);
        }
        ((ObjectNode) document.at(place.substring(0, last))).set(place.substring(last + 1), schema);
    }

    private static JsonNode parse(String text) {
        try {
            return JSON.readTree(text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
