// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.process.Randomness;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// Reads the `input` of `/v1/responses` into items in the form in which they are stored and listed:
/// each with an id, a type, a status and its content as parts.
final class ResponseItems {
    static final String MESSAGE = "message";
    static final String CALL = "function_call";
    static final String CALL_OUTPUT = "function_call_output";
    static final String REASONING = "reasoning";
    static final String ASSISTANT = "assistant";

    private static final int MAX_ITEMS = 65_536;
    private static final int MAX_ID_LENGTH = 128;
    private static final Set<String> ROLES = Set.of("user", "system", "developer", ASSISTANT);

    private final Randomness randomness;

    private ResponseItems(Randomness randomness) {
        this.randomness = randomness;
    }

    static List<ObjectNode> parse(Fields fields, Randomness randomness) {
        var reader = new ResponseItems(randomness);
        JsonNode input = fields.value("input");
        if (input.isTextual()) {
            return List.of(reader.message("user", Fields.text("input", input)));
        }
        if (!input.isArray() && !input.isMissingNode()) {
            throw Fields.wrong("input", "text or an array of items", input);
        }
        List<ObjectNode> items = fields.list("input", MAX_ITEMS, reader::item);
        if (items.isEmpty()) {
            throw ApiError.invalid(
                    "input",
                    input.isMissingNode()
                            ? "input is missing, give text or items"
                            : "input is empty, it must have at least one item");
        }
        return items;
    }

    private ObjectNode item(String name, JsonNode value) {
        Fields fields = Fields.object(name, value);
        // A message may be written without its type.
        String type = fields.text("type").orElse(MESSAGE);
        return switch (type) {
            case MESSAGE -> message(fields);
            case CALL -> call(fields);
            case CALL_OUTPUT -> output(fields);
            case REASONING -> reasoning(fields);
            default ->
                    throw ApiError.unserved(
                            fields.name("type"),
                            fields.name("type")
                                    + " is \""
                                    + Json.quoted(type)
                                    + "\"; only items of type message, function_call,"
                                    + " function_call_output and reasoning are served");
        };
    }

    private ObjectNode head(Optional<String> id, String prefix, String type) {
        return Json.object()
                .put("id", id.orElseGet(() -> prefix + randomness.nextIncarnation()))
                .put("type", type)
                .put("status", "completed");
    }

    private ObjectNode message(String role, String text) {
        ObjectNode item = head(Optional.empty(), "msg_", MESSAGE).put("role", role);
        addText(item.putArray("content"), role, text);
        return item;
    }

    private ObjectNode message(Fields fields) {
        String role = fields.requireText("role");
        if (!ROLES.contains(role)) {
            throw ApiError.invalid(
                    fields.name("role"),
                    fields.name("role")
                            + " is \""
                            + Json.quoted(role)
                            + "\", it must be user, system, developer or assistant");
        }
        ObjectNode item = head(id(fields), "msg_", MESSAGE).put("role", role);
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

    private ObjectNode call(Fields fields) {
        return head(id(fields), "fc_", CALL)
                .put("call_id", fields.requireText("call_id"))
                .put("name", fields.requireText("name"))
                .put("arguments", fields.requireText("arguments"));
    }

    private ObjectNode output(Fields fields) {
        ObjectNode item =
                head(id(fields), "fco_", CALL_OUTPUT).put("call_id", fields.requireText("call_id"));
        fields.text("name").ifPresent(name -> item.put("name", name));
        return item.put("output", String.join("", texts(fields, "output", List.of("input_text"))));
    }

    private ObjectNode reasoning(Fields fields) {
        ObjectNode item = head(id(fields), "rs_", REASONING);
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
