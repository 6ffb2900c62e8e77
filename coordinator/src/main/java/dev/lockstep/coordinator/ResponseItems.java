// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Optional;

/// Reads the `input` of `/v1/responses` into items in the form in which they are stored and listed:
/// each with an id, a type, a status and its content as parts. An id that the client does not give
/// is null until [#name].
final class ResponseItems {
    static final String MESSAGE = "message";
    static final String CALL = "function_call";
    static final String CALL_OUTPUT = "function_call_output";
    static final String REASONING = "reasoning";
    static final String REFERENCE = "item_reference";
    static final String ASSISTANT = "assistant";

    private static final int MAX_ITEMS = 65_536;
    private static final int MAX_ID_LENGTH = 128;
    private static final List<String> ROLES = List.of("user", "system", "developer", ASSISTANT);

    private ResponseItems() {}

    static List<ObjectNode> parse(Fields fields) {
        JsonNode input = fields.value("input");
        if (input.isTextual()) {
            return List.of(message("user", Fields.text("input", input)));
        }
        if (!input.isArray() && !input.isMissingNode()) {
            throw Fields.wrong("input", "text or an array of items", input);
        }
        List<ObjectNode> items = fields.list("input", MAX_ITEMS, ResponseItems::item);
        if (items.isEmpty()) {
            throw ApiError.invalid(
                    "input",
                    input.isMissingNode()
                            ? "input is missing, give text or items"
                            : "input is empty, it must have at least one item");
        }
        return items;
    }

    private static ObjectNode item(String name, JsonNode value) {
        Fields fields = Fields.object(name, value);
        // A message may be written without its type, and so may a reference, which has no role.
        String untyped = fields.has("role") || !fields.has("id") ? MESSAGE : REFERENCE;
        String type = fields.text("type").orElse(untyped);
        return switch (type) {
            case MESSAGE -> message(fields);
            case CALL -> call(fields);
            case CALL_OUTPUT -> output(fields);
            case REASONING -> reasoning(fields);
            case REFERENCE ->
                    Json.object().put("type", REFERENCE).put("id", fields.requireText("id"));
            default ->
                    throw ApiError.unserved(
                            fields.name("type"),
                            fields.name("type")
                                    + " is \""
                                    + Json.quoted(type)
                                    + "\"; only items of type message, function_call,"
                                    + " function_call_output, reasoning and item_reference are"
                                    + " served");
        };
    }

    /// Gives ids to the items of a response's input that have none.
    static void name(List<ObjectNode> items, String response) {
        for (int i = 0; i < items.size(); i++) {
            ObjectNode item = items.get(i);
            if (item.path("id").isNull()) {
                String prefix =
                        switch (item.path("type").asText()) {
                            case CALL -> "fc_";
                            case CALL_OUTPUT -> "fco_";
                            case REASONING -> "rs_";
                            default -> "msg_";
                        };
                item.put("id", ItemId.ofInput(prefix, response, i));
            }
        }
    }

    private static ObjectNode head(Optional<String> id, String type) {
        ObjectNode head = Json.object();
        Json.putOrNull(head, "id", id.orElse(""));
        return head.put("type", type).put("status", "completed");
    }

    private static ObjectNode message(String role, String text) {
        ObjectNode item = head(Optional.empty(), MESSAGE).put("role", role);
        addText(item.putArray("content"), role, text);
        return item;
    }

    private static ObjectNode message(Fields fields) {
        String role = fields.requireOneOf("role", ROLES);
        ObjectNode item = head(id(fields), MESSAGE).put("role", role);
        ArrayNode content = item.putArray("content");
        texts(
                        fields,
                        "content",
                        role.equals(ASSISTANT)
                                ? List.of("output_text", "refusal", "input_text")
                                : List.of("input_text"))
                .forEach(text -> addText(content, role, text));
        return item;
    }

    private static void addText(ArrayNode content, String role, String text) {
        if (role.equals(ASSISTANT)) {
            content.add(outputText(text));
        } else {
            content.addObject().put("type", "input_text").put("text", text);
        }
    }

    /// Returns a part of an answer without its log-probabilities.
    static ObjectNode outputText(String text) {
        ObjectNode part = Json.object().put("type", "output_text").put("text", text);
        part.putArray("annotations");
        part.putArray("logprobs");
        return part;
    }

    private static ObjectNode call(Fields fields) {
        return head(id(fields), CALL)
                .put("call_id", fields.requireText("call_id"))
                .put("name", fields.requireText("name"))
                .put("arguments", fields.requireText("arguments"));
    }

    private static ObjectNode output(Fields fields) {
        ObjectNode item =
                head(id(fields), CALL_OUTPUT).put("call_id", fields.requireText("call_id"));
        fields.text("name").ifPresent(name -> item.put("name", name));
        return item.put("output", String.join("", texts(fields, "output", List.of("input_text"))));
    }

    private static ObjectNode reasoning(Fields fields) {
        ObjectNode item = head(id(fields), REASONING);
        ArrayNode summary = item.putArray("summary");
        fields.list("summary", MAX_ITEMS, (name, part) -> part(name, part, List.of("summary_text")))
                .forEach(text -> summary.addObject().put("type", "summary_text").put("text", text));
        ArrayNode content = item.putArray("content");
        fields.list(
                        "content",
                        MAX_ITEMS,
                        (name, part) -> part(name, part, List.of("reasoning_text")))
                .forEach(
                        text ->
                                content.addObject()
                                        .put("type", "reasoning_text")
                                        .put("text", text));
        if (content.isEmpty()) {
            fields.text(ResponseOutput.ENCODED)
                    .flatMap(
                            encoded ->
                                    EncodedReasoning.text(
                                            fields.name(ResponseOutput.ENCODED), encoded))
                    .ifPresent(
                            text ->
                                    content.addObject()
                                            .put("type", "reasoning_text")
                                            .put("text", text));
        }
        return item;
    }

    private static Optional<String> id(Fields fields) {
        Optional<String> id = fields.text("id").filter(text -> !text.isEmpty());
        id.filter(text -> text.length() > MAX_ID_LENGTH)
                .ifPresent(
                        text -> {
                            throw ApiError.invalid(
                                    fields.name("id"),
                                    fields.name("id")
                                            + " has "
                                            + text.length()
                                            + " characters, at most "
                                            + MAX_ID_LENGTH
                                            + " are accepted");
                        });
        return id;
    }

    /// Reads text, or a list of parts with text.
    private static List<String> texts(Fields fields, String field, List<String> types) {
        JsonNode value = fields.value(field);
        if (value.isTextual()) {
            return List.of(Fields.text(fields.name(field), value));
        }
        if (!value.isArray()) {
            throw value.isMissingNode()
                    ? ApiError.invalid(
                            fields.name(field), fields.name(field) + " is missing, give text")
                    : Fields.wrong(fields.name(field), "text or an array of parts", value);
        }
        return fields.list(field, MAX_ITEMS, (name, part) -> part(name, part, types));
    }

    private static String part(String name, JsonNode value, List<String> types) {
        Fields part = Fields.object(name, value);
        String type = part.requireText("type");
        if (!types.contains(type)) {
            throw ApiError.unserved(
                    part.name("type"),
                    part.name("type")
                            + " is \""
                            + Json.quoted(type)
                            + "\"; only parts of type "
                            + String.join(", ", types)
                            + " are served here");
        }
        return part.requireText(type.equals("refusal") ? "refusal" : "text");
    }
}
