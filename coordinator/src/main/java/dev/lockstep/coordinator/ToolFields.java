// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Reads `tools`, `tool_choice` and `parallel_tool_calls`, or their older forms `functions` and
/// `function_call`.
final class ToolFields {
    static final String TOOLS = "tools";
    static final String CHOICE = "tool_choice";
    private static final String FUNCTIONS = "functions";
    private static final String FUNCTION_CALL = "function_call";
    private static final String FUNCTION = "function";
    private static final String ALLOWED = "allowed_tools";
    private static final int MAX_TOOLS = 1024;
    private static final int MAX_NAME = 256;

    private final Map<String, JsonNode> functions = new LinkedHashMap<>();
    private final Set<String> strict = new LinkedHashSet<>();
    private final List<Map<String, @Nullable Object>> declared = new ArrayList<>();
    private final ChatMessageFormat form;
    private final String listName;

    private ToolFields(ChatMessageFormat form, String listName) {
        this.form = form;
        this.listName = listName;
    }

    static RequestTools parse(Fields fields) {
        boolean older = fields.has(FUNCTIONS) && !UnservedField.isEmpty(fields.value(FUNCTIONS));
        if (older && fields.has(TOOLS)) {
            throw ApiError.invalid(
                    fields.name(FUNCTIONS), "give tools or functions, not both; tools is newer");
        }
        JsonNode choice = fields.value(older ? FUNCTION_CALL : CHOICE);
        if (choice.isTextual() && choice.asText().equals("none")) {
            return RequestTools.NONE;
        }
        var reader =
                older
                        ? new ToolFields(ChatMessageFormat.FUNCTION_CALL, FUNCTIONS)
                        : new ToolFields(ChatMessageFormat.TOOL_CALLS, TOOLS);
        var _ = fields.list(reader.listName, MAX_TOOLS, older ? reader::function : reader::tool);
        return reader.chosen(fields, older ? FUNCTION_CALL : CHOICE);
    }

    private String tool(String name, JsonNode value) {
        Fields tool = Fields.object(name, value);
        requireFunction(tool, tool.text("type").orElse(FUNCTION));
        Fields function =
                tool.object(FUNCTION)
                        .orElseThrow(() -> missing(tool.name(FUNCTION), "its name and parameters"));
        add(function);
        Map<String, @Nullable Object> plain = Json.plainObject(tool.node());
        plain.put("type", FUNCTION);
        declared.add(plain);
        return name;
    }

    private String function(String name, JsonNode value) {
        Fields function = Fields.object(name, value);
        add(function);
        Map<String, @Nullable Object> plain = new LinkedHashMap<>();
        plain.put("type", FUNCTION);
        plain.put(FUNCTION, Json.plainObject(function.node()));
        declared.add(plain);
        return name;
    }

    private void add(Fields function) {
        String name = function.requireText("name");
        if (name.isEmpty() || name.length() > MAX_NAME) {
            throw ApiError.invalid(
                    function.name("name"),
                    "%s has %d characters, it must have 1 to %d"
                            .formatted(function.name("name"), name.length(), MAX_NAME));
        }
        JsonNode parameters =
                function.object("parameters")
                        .<JsonNode>map(Fields::node)
                        .orElseGet(
                                () -> {
                                    // A function without parameters.
                                    var none = Json.object().put("type", "object");
                                    none.putObject("properties");
                                    return none.put("additionalProperties", false);
                                });
        if (functions.putIfAbsent(name, parameters) != null) {
            throw ApiError.invalid(
                    function.name("name"),
                    "%s is \"%s\", which an earlier function is named too"
                            .formatted(function.name("name"), Json.quoted(name)));
        }
        if (function.flag("strict", false)) {
            strict.add(name);
        }
    }

    private RequestTools chosen(Fields fields, String field) {
        boolean parallel = fields.flag("parallel_tool_calls", true);
        JsonNode choice = fields.value(field);
        if (choice.isMissingNode()) {
            return tools(functions.keySet(), RequestTools.Choice.AUTO, parallel);
        }
        if (choice.isTextual()) {
            return switch (choice.asText()) {
                case "auto" -> tools(functions.keySet(), RequestTools.Choice.AUTO, parallel);
                // "any" is the word of other servers.
                case "required", "any" -> required(fields.name(field), parallel);
                default ->
                        throw ApiError.invalid(
                                fields.name(field),
                                "%s is \"%s\", it must be none, auto, required or name a function"
                                        .formatted(
                                                fields.name(field), Json.quoted(choice.asText())));
            };
        }
        Fields object = Fields.object(fields.name(field), choice);
        if (field.equals(CHOICE) && object.text("type").orElse(FUNCTION).equals(ALLOWED)) {
            return allowed(object, parallel);
        }
        Fields named = object;
        if (field.equals(CHOICE)) {
            requireFunction(object, object.text("type").orElse(FUNCTION));
            named =
                    object.object(FUNCTION)
                            .orElseThrow(() -> missing(object.name(FUNCTION), "its name"));
        }
        return tools(Set.of(known(named)), RequestTools.Choice.REQUIRED, false);
    }

    private RequestTools required(String name, boolean parallel) {
        if (functions.isEmpty()) {
            throw ApiError.invalid(
                    name, name + " requires a call, but " + listName + " has no function");
        }
        return tools(functions.keySet(), RequestTools.Choice.REQUIRED, parallel);
    }

    private RequestTools allowed(Fields choice, boolean parallel) {
        Fields allowed = choice.object(ALLOWED).orElse(choice);
        String mode = allowed.text("mode").orElse("auto");
        if (!mode.equals("auto") && !mode.equals("required")) {
            throw ApiError.invalid(
                    allowed.name("mode"),
                    "%s is \"%s\", it must be auto or required"
                            .formatted(allowed.name("mode"), Json.quoted(mode)));
        }
        Set<String> names =
                new LinkedHashSet<>(
                        allowed.list(
                                TOOLS,
                                MAX_TOOLS,
                                (name, value) -> {
                                    Fields tool = Fields.object(name, value);
                                    requireFunction(tool, tool.text("type").orElse(FUNCTION));
                                    return known(tool.object(FUNCTION).orElse(tool));
                                }));
        if (names.isEmpty()) {
            throw missing(allowed.name(TOOLS), "at least one function");
        }
        return tools(
                names,
                mode.equals("auto") ? RequestTools.Choice.AUTO : RequestTools.Choice.REQUIRED,
                parallel);
    }

    private RequestTools tools(Set<String> callable, RequestTools.Choice choice, boolean parallel) {
        Map<String, JsonNode> chosen = new LinkedHashMap<>(functions);
        chosen.keySet().retainAll(callable);
        Set<String> strictly = new LinkedHashSet<>(strict);
        strictly.retainAll(callable);
        boolean several = parallel && form == ChatMessageFormat.TOOL_CALLS;
        return new RequestTools(declared, chosen, strictly, choice, several, form, listName);
    }

    private String known(Fields function) {
        String name = function.requireText("name");
        if (!functions.containsKey(name)) {
            throw ApiError.invalid(
                    function.name("name"),
                    "%s is \"%s\", and no function of %s has this name"
                            .formatted(function.name("name"), Json.quoted(name), listName));
        }
        return name;
    }

    private static void requireFunction(Fields fields, String type) {
        if (!type.equals(FUNCTION)) {
            throw ApiError.unserved(
                    fields.name("type"),
                    "%s is \"%s\"; only \"function\" is served"
                            .formatted(fields.name("type"), Json.quoted(type)));
        }
    }

    private static ApiError missing(String name, String what) {
        return ApiError.invalid(name, name + " is missing, give " + what);
    }
}
