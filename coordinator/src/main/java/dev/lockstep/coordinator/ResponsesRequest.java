// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/// The body of `POST /v1/responses`: what it has apart from a chat is checked, and the rest is a
/// chat that is not checked yet.
///
/// @param items the `input`, in the form of [ResponseItems]
/// @param previous the id of the response that this one continues
/// @param echo the fields that the response repeats
/// @param chat the body of the chat, without its messages
/// @param encodeReasoning whether reasoning is returned as `encrypted_content`, too
/// @param truncate whether the oldest items may be left out where they exceed the context
record ResponsesRequest(
        List<ObjectNode> items,
        Optional<String> instructions,
        Optional<String> previous,
        ObjectNode echo,
        ObjectNode chat,
        boolean store,
        boolean background,
        boolean stream,
        boolean encodeReasoning,
        boolean truncate) {
    private static final int MAX_METADATA = 16;
    private static final int MAX_METADATA_NAME = 64;
    private static final int MAX_METADATA_VALUE = 512;
    private static final String LOGPROBS = "message.output_text.logprobs";

    private static final String ENCODED = "reasoning.encrypted_content";

    /// What a response can include. Those of tools that are not served are never there to include.
    private static final Set<String> INCLUDABLE =
            Set.of(
                    LOGPROBS,
                    ENCODED,
                    "file_search_call.results",
                    "web_search_call.results",
                    "web_search_call.action.sources",
                    "message.input_image.image_url",
                    "computer_call_output.output.image_url",
                    "code_interpreter_call.outputs");

    /// Texts without effect that the response repeats.
    private static final List<String> REPEATED =
            List.of("user", "safety_identifier", "prompt_cache_key");

    /// Fields that a chat does not get as they are.
    private static final Set<String> OWN =
            Set.of(
                    "input",
                    "instructions",
                    "previous_response_id",
                    "max_output_tokens",
                    "max_tool_calls",
                    "text",
                    "reasoning",
                    "tools",
                    "tool_choice",
                    "store",
                    "background",
                    "include",
                    "metadata",
                    "truncation",
                    "service_tier",
                    "stream",
                    "stream_options",
                    "top_logprobs",
                    "messages",
                    "n");

    ResponsesRequest {
        items = List.copyOf(items);
    }

    static ResponsesRequest parse(Fields fields) {
        UnservedFields.refuseInResponses(fields);
        ObjectNode chat = Json.object();
        ObjectNode echo = Json.object();
        for (Map.Entry<String, JsonNode> field : fields.entries()) {
            if (!OWN.contains(field.getKey())) {
                chat.set(field.getKey(), field.getValue());
            }
        }
        boolean store = fields.flag("store", true);
        boolean background = fields.flag("background", false);
        if (background && !store) {
            throw ApiError.invalid(
                    "background", "background is true, then store must not be false");
        }
        Optional<String> instructions = fields.text("instructions");
        Optional<String> previous = fields.text("previous_response_id").filter(id -> !id.isEmpty());
        echo.put("background", background).put("store", store);
        Json.putOrNull(echo, "previous_response_id", previous.orElse(""));
        putOrNull(echo, "instructions", instructions);
        putLimits(fields, echo, chat);
        putText(fields, echo, chat);
        putReasoning(fields, echo, chat);
        List<String> included =
                fields.list("include", INCLUDABLE.size(), ResponsesRequest::includable);
        putLogprobs(fields, included.contains(LOGPROBS), echo, chat);
        ResponseTools tools = ResponseTools.parse(fields);
        tools.putChat(chat);
        ArrayNode list = echo.putArray("tools");
        tools.tools().forEach(list::add);
        echo.set("tool_choice", tools.choice());
        echo.put("parallel_tool_calls", fields.flag("parallel_tool_calls", true));
        echo.set("metadata", metadata(fields));
        echo.put("service_tier", "default");
        for (String field : REPEATED) {
            fields.text(field).ifPresent(text -> echo.put(field, text));
        }
        return new ResponsesRequest(
                ResponseItems.parse(fields),
                instructions,
                previous,
                echo,
                chat,
                store,
                background,
                fields.flag("stream", false),
                included.contains(ENCODED),
                truncates(fields, echo));
    }

    /// Returns what is needed when the prompt has been made.
    ResponsesRequest withoutItems() {
        return new ResponsesRequest(
                List.of(),
                Optional.empty(),
                previous,
                echo,
                Json.object(),
                store,
                background,
                stream,
                encodeReasoning,
                truncate);
    }

    /// Returns the request with other items.
    ResponsesRequest with(List<ObjectNode> others) {
        return new ResponsesRequest(
                others,
                instructions,
                previous,
                echo,
                chat,
                store,
                background,
                stream,
                encodeReasoning,
                truncate);
    }

    private static void putLimits(Fields fields, ObjectNode echo, ObjectNode chat) {
        OptionalInt tokens = fields.integer("max_output_tokens", 1, Integer.MAX_VALUE);
        echo.putNull("max_output_tokens");
        tokens.ifPresent(
                max -> {
                    echo.put("max_output_tokens", max);
                    chat.put("max_completion_tokens", max);
                });
        // Limits the calls of tools that the server runs, and it runs none.
        echo.putNull("max_tool_calls");
        fields.integer("max_tool_calls", 0, Integer.MAX_VALUE)
                .ifPresent(max -> echo.put("max_tool_calls", max));
    }

    private static void putText(Fields fields, ObjectNode echo, ObjectNode chat) {
        ObjectNode text = echo.putObject("text");
        text.putObject("format").put("type", "text");
        Fields given = fields.object("text").orElseGet(() -> new Fields(Json.object()));
        given.text("verbosity")
                .ifPresent(
                        verbosity -> {
                            text.put("verbosity", verbosity);
                            chat.put("verbosity", verbosity);
                        });
        given.object("format")
                .ifPresent(
                        format -> {
                            text.set("format", format.node());
                            chat.set("response_format", chatFormat(format));
                        });
    }

    private static ObjectNode chatFormat(Fields format) {
        String type = format.requireText("type");
        ObjectNode chat = Json.object().put("type", type);
        switch (type) {
            case "text", "json_object" -> {}
            case "json_schema" -> {
                format.requireText("name");
                if (format.object("schema").isEmpty()) {
                    throw ApiError.invalid(
                            format.name("schema"), format.name("schema") + " is missing");
                }
                ObjectNode schema = chat.putObject("json_schema");
                format.node().properties().stream()
                        .filter(field -> !field.getKey().equals("type"))
                        .forEach(field -> schema.set(field.getKey(), field.getValue()));
            }
            default ->
                    throw ApiError.unserved(
                            format.name("type"),
                            format.name("type")
                                    + " is \""
                                    + Json.quoted(type)
                                    + "\"; only text, json_object and json_schema are served");
        }
        return chat;
    }

    private static void putReasoning(Fields fields, ObjectNode echo, ObjectNode chat) {
        ObjectNode reasoning = echo.putObject("reasoning").putNull("effort").putNull("summary");
        fields.object("reasoning")
                .ifPresent(
                        given -> {
                            given.text("effort")
                                    .ifPresent(
                                            effort -> {
                                                reasoning.put("effort", effort);
                                                chat.put("reasoning_effort", effort);
                                            });
                            refuseSummary(given, "summary");
                            refuseSummary(given, "generate_summary");
                        });
    }

    /// Refuses a summary that is asked for. With `auto` a client gets the best there is, and that
    /// is the reasoning itself.
    private static void refuseSummary(Fields reasoning, String field) {
        String summary = reasoning.text(field).orElse("auto");
        if (!summary.equals("auto")) {
            throw ApiError.unserved(
                    reasoning.name(field),
                    reasoning.name(field)
                            + " is \""
                            + Json.quoted(summary)
                            + "\", and summaries are not served; the reasoning itself is returned");
        }
    }

    private static void putLogprobs(
            Fields fields, boolean included, ObjectNode echo, ObjectNode chat) {
        int top = fields.integer("top_logprobs", 0, SamplingFields.MAX_LOGPROBS, 0);
        echo.put("top_logprobs", top);
        if (included || top > 0) {
            chat.put("logprobs", true).put("top_logprobs", top);
        }
    }

    /// Reads one of the things to include.
    static String includable(String name, JsonNode value) {
        String included = Fields.text(name, value);
        if (!INCLUDABLE.contains(included)) {
            throw ApiError.unserved(
                    name, name + " is \"" + Json.quoted(included) + "\", which is not known");
        }
        return included;
    }

    private static ObjectNode metadata(Fields fields) {
        ObjectNode metadata = Json.object();
        Fields given = fields.object("metadata").orElseGet(() -> new Fields(metadata));
        if (given.node().size() > MAX_METADATA) {
            throw ApiError.invalid(
                    "metadata",
                    "metadata has "
                            + given.node().size()
                            + " entries, at most "
                            + MAX_METADATA
                            + " are accepted");
        }
        for (Map.Entry<String, JsonNode> entry : given.entries()) {
            String text = Fields.text(given.name(entry.getKey()), entry.getValue());
            if (entry.getKey().length() > MAX_METADATA_NAME || text.length() > MAX_METADATA_VALUE) {
                throw ApiError.invalid(
                        "metadata",
                        "metadata has a name of %d and a text of %d characters, at most %d and %d are accepted"
                                .formatted(
                                        entry.getKey().length(),
                                        text.length(),
                                        MAX_METADATA_NAME,
                                        MAX_METADATA_VALUE));
            }
        }
        return given.node();
    }

    private static boolean truncates(Fields fields, ObjectNode echo) {
        String truncation = fields.text("truncation").orElse("disabled");
        if (!truncation.equals("auto") && !truncation.equals("disabled")) {
            throw Fields.outside("truncation", fields.value("truncation"), "{auto, disabled}");
        }
        echo.put("truncation", truncation);
        return truncation.equals("auto");
    }

    private static void putOrNull(ObjectNode node, String name, Optional<String> text) {
        node.putNull(name);
        text.ifPresent(value -> node.put(name, value));
    }
}
