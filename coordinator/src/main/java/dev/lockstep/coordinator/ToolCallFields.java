// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Reads a tool call of an earlier message of the assistant. Clients send its arguments as JSON
/// text, templates need an object.
final class ToolCallFields {
    private static final String ARGUMENTS = "arguments";

    private ToolCallFields() {}

    static Map<String, @Nullable Object> parse(String name, JsonNode value, EmbeddedJson json) {
        Fields call = Fields.object(name, value);
        String type = call.text("type").orElse("function");
        if (!type.equals("function")) {
            throw ApiError.unserved(
                    call.name("type"),
                    call.name("type")
                            + " is \""
                            + Json.quoted(type)
                            + "\"; only calls of type \"function\" are served");
        }
        Fields function = function(call);
        function.requireText("name");
        call.text("id");
        Map<String, @Nullable Object> called = Json.plainObject(function.node());
        called.put(ARGUMENTS, Json.plainObject(arguments(function, json)));
        Map<String, @Nullable Object> parsed = Json.plainObject(call.node());
        parsed.put("function", called);
        return parsed;
    }

    /// Returns what a call names and gives.
    static Fields function(Fields call) {
        return call.object("function")
                .orElseThrow(
                        () ->
                                ApiError.invalid(
                                        call.name("function"),
                                        call.name("function")
                                                + " is missing, give its name and arguments"));
    }

    private static ObjectNode arguments(Fields function, EmbeddedJson json) {
        JsonNode value = function.value(ARGUMENTS);
        boolean none = value.isMissingNode() || (value.isTextual() && value.asText().isBlank());
        if (none) {
            return Json.object();
        }
        return value.isTextual()
                ? json.object(function.name(ARGUMENTS), value.textValue())
                : Fields.object(function.name(ARGUMENTS), value).node();
    }
}
