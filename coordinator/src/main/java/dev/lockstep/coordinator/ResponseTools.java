// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Set;

/// Reads the `tools` and the `tool_choice` of `/v1/responses`, whose functions are not nested as
/// they are in a chat.
///
/// @param tools in the form of responses
/// @param choice in the form of responses
record ResponseTools(List<ObjectNode> tools, JsonNode choice) {
    private static final String TYPE = "type";
    private static final String FUNCTION = "function";
    private static final String TOOL_CHOICE = "tool_choice";
    private static final String ALLOWED = "allowed_tools";
    private static final int MAX_TOOLS = 65_536;
    private static final Set<String> MODES = Set.of("none", "auto", "required");

    ResponseTools {
        tools = List.copyOf(tools);
    }

    static ResponseTools parse(Fields fields) {
        return new ResponseTools(
                fields.list("tools", MAX_TOOLS, ResponseTools::tool), choice(fields));
    }

    private static ObjectNode tool(String name, JsonNode value) {
        Fields fields = Fields.object(name, value);
        requireFunction(fields, "tools");
        ObjectNode tool = Json.object().put(TYPE, FUNCTION).put("name", fields.requireText("name"));
        fields.text("description").ifPresent(text -> tool.put("description", text));
        tool.putNull("parameters").putNull("strict");
        fields.object("parameters").ifPresent(schema -> tool.set("parameters", schema.node()));
        if (fields.has("strict")) {
            tool.put("strict", fields.flag("strict", false));
        }
        return tool;
    }

    private static void requireFunction(Fields fields, String what) {
        String type = fields.requireText(TYPE);
        if (!type.equals(FUNCTION)) {
            throw ApiError.unserved(
                    fields.name(TYPE),
                    fields.name(TYPE)
                            + " is \""
                            + Json.quoted(type)
                            + "\"; only "
                            + what
                            + " of type \"function\" are served");
        }
    }

    private static JsonNode choice(Fields fields) {
        JsonNode value = fields.value(TOOL_CHOICE);
        if (value.isMissingNode()) {
            return Json.object().textNode("auto");
        }
        if (value.isTextual()) {
            if (!MODES.contains(value.textValue())) {
                throw Fields.outside(TOOL_CHOICE, value, "{none, auto, required}");
            }
            return value;
        }
        Fields choice = Fields.object(TOOL_CHOICE, value);
        if (choice.requireText(TYPE).equals(ALLOWED)) {
            String mode = choice.requireText("mode");
            if (!mode.equals("auto") && !mode.equals("required")) {
                throw Fields.outside(choice.name("mode"), choice.value("mode"), "{auto, required}");
            }
            ObjectNode allowed = Json.object().put(TYPE, ALLOWED).put("mode", mode);
            ArrayNode functions = allowed.putArray("tools");
            choice.list("tools", MAX_TOOLS, (name, tool) -> named(Fields.object(name, tool)))
                    .forEach(functions::add);
            return allowed;
        }
        return named(choice);
    }

    private static ObjectNode named(Fields fields) {
        requireFunction(fields, "functions and allowed_tools");
        return Json.object().put(TYPE, FUNCTION).put("name", fields.requireText("name"));
    }

    /// Adds the fields of a chat that mean the same.
    void putChat(ObjectNode chat) {
        if (tools.isEmpty()) {
            if (!isAuto()) {
                chat.set(TOOL_CHOICE, chatChoice());
            }
            return;
        }
        ArrayNode list = chat.putArray("tools");
        for (ObjectNode tool : tools) {
            ObjectNode function = list.addObject().put(TYPE, FUNCTION).putObject(FUNCTION);
            tool.properties().stream()
                    .filter(field -> !field.getKey().equals(TYPE) && !field.getValue().isNull())
                    .forEach(field -> function.set(field.getKey(), field.getValue()));
        }
        chat.set(TOOL_CHOICE, chatChoice());
    }

    private boolean isAuto() {
        return choice.asText().equals("auto");
    }

    private JsonNode chatChoice() {
        if (choice.isTextual()) {
            return choice;
        }
        if (choice.path(TYPE).asText().equals(FUNCTION)) {
            return chatFunction(choice);
        }
        ObjectNode allowed = Json.object().put(TYPE, ALLOWED);
        ObjectNode inner = allowed.putObject(ALLOWED);
        inner.set("mode", choice.get("mode"));
        ArrayNode functions = inner.putArray("tools");
        choice.get("tools").forEach(tool -> functions.add(chatFunction(tool)));
        return allowed;
    }

    private static ObjectNode chatFunction(JsonNode named) {
        ObjectNode function = Json.object().put(TYPE, FUNCTION);
        function.putObject(FUNCTION).set("name", named.get("name"));
        return function;
    }
}
