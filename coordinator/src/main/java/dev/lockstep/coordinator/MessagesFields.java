// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.OptionalInt;

/// Reads a body of Anthropic's `/v1/messages` as the body of the chat completion that means the
/// same.
final class MessagesFields {
    private static final String MAX_TOKENS = "max_tokens";
    private static final String STOPS = "stop_sequences";
    private static final String THINKING = "thinking";
    private static final String BUDGET = "budget_tokens";
    private static final String CHAT_BUDGET = "thinking_token_budget";
    private static final int MAX_STOPS = 64;
    private static final int MAX_TOOLS = 65_536;

    private final Fields fields;
    private final ChatBody chat;

    private MessagesFields(Fields fields) {
        this.fields = fields;
        this.chat = new ChatBody(fields);
    }

    /// Reads a request for a message.
    static ChatBody message(Fields fields) {
        OptionalInt maxTokens = fields.integer(MAX_TOKENS, 1, Integer.MAX_VALUE);
        if (maxTokens.isEmpty()) {
            throw ApiError.invalid(
                    MAX_TOKENS, "max_tokens is missing, give the number of tokens to generate");
        }
        return new MessagesFields(fields).read(maxTokens.getAsInt());
    }

    /// Reads a request whose tokens are counted, which has no limit of generated ones.
    static ChatBody counting(Fields fields) {
        return new MessagesFields(fields).read(Integer.MAX_VALUE);
    }

    private ChatBody read(int maxTokens) {
        refuse("mcp_servers");
        refuse("container");
        fields.object("metadata");
        new MessagesConversation(chat).read(fields);
        chat.copy(fields, "temperature", "top_p", "top_k", "min_p", "chat_template_kwargs");
        chat.copy(fields, MAX_TOKENS, MAX_TOKENS);
        stops();
        tools();
        thinking(maxTokens);
        output();
        return chat;
    }

    private void refuse(String field) {
        if (fields.has(field) && !UnservedField.isEmpty(fields.value(field))) {
            throw ApiError.unserved(field, field + " is given, and is not served; leave it out");
        }
    }

    private void stops() {
        List<String> stops = fields.list(STOPS, MAX_STOPS, MessagesFields::stop);
        if (!stops.isEmpty()) {
            ArrayNode stop = chat.renamed(fields.name(STOPS), "stop").putArray("stop");
            stops.forEach(stop::add);
        }
    }

    private static String stop(String name, JsonNode value) {
        String text = Fields.text(name, value);
        if (text.isEmpty()) {
            throw ApiError.invalid(name, name + " is empty, it must have at least one character");
        }
        return text;
    }

    private void tools() {
        List<ObjectNode> tools = fields.list("tools", MAX_TOOLS, MessagesFields::tool);
        if (!tools.isEmpty()) {
            chat.node().putArray("tools").addAll(tools);
        }
        fields.object("tool_choice").ifPresent(choice -> choice(choice, tools));
    }

    private static ObjectNode tool(String name, JsonNode value) {
        Fields tool = Fields.object(name, value);
        String type = tool.text("type").orElse("custom");
        if (!type.equals("custom")) {
            throw ApiError.unserved(
                    tool.name("type"),
                    tool.name("type")
                            + " is \""
                            + Json.quoted(type)
                            + "\"; only tools with an input_schema, of type \"custom\", are served");
        }
        ObjectNode read = Json.object().put("type", "function");
        ObjectNode function = read.putObject("function").put("name", tool.requireText("name"));
        tool.text("description").ifPresent(text -> function.put("description", text));
        Fields schema =
                tool.object("input_schema")
                        .orElseThrow(
                                () ->
                                        ApiError.invalid(
                                                tool.name("input_schema"),
                                                tool.name("input_schema")
                                                        + " is missing, give a JSON Schema"));
        function.set("parameters", schema.node());
        if (tool.has("strict")) {
            function.put("strict", tool.flag("strict", false));
        }
        return read;
    }

    private void choice(Fields choice, List<ObjectNode> tools) {
        String type = choice.requireText("type");
        if (tools.isEmpty() && !type.equals("auto") && !type.equals("none")) {
            throw ApiError.invalid(
                    "tool_choice",
                    "tool_choice.type is \"" + Json.quoted(type) + "\", but tools is empty");
        }
        ObjectNode body = chat.node();
        switch (type) {
            case "auto", "none" -> body.put("tool_choice", type);
            case "any" -> body.put("tool_choice", "required");
            case "tool" ->
                    body.putObject("tool_choice")
                            .put("type", "function")
                            .putObject("function")
                            .put("name", choice.requireText("name"));
            default ->
                    throw Fields.outside(
                            choice.name("type"), choice.value("type"), "{auto, any, tool, none}");
        }
        if (choice.flag("disable_parallel_tool_use", false)) {
            body.put("parallel_tool_calls", false);
        }
    }

    private void thinking(int maxTokens) {
        fields.object(THINKING)
                .ifPresent(
                        thinking -> {
                            String type = thinking.requireText("type");
                            switch (type) {
                                case "disabled" -> chat.think(false);
                                case "adaptive" -> chat.think(true);
                                case "enabled" -> {
                                    chat.think(true);
                                    chat.renamed(thinking.name(BUDGET), CHAT_BUDGET)
                                            .put(CHAT_BUDGET, budget(thinking, maxTokens));
                                }
                                default ->
                                        throw Fields.outside(
                                                thinking.name("type"),
                                                thinking.value("type"),
                                                "{enabled, disabled, adaptive}");
                            }
                        });
    }

    private static int budget(Fields thinking, int maxTokens) {
        String name = thinking.name(BUDGET);
        int budget =
                thinking.integer(BUDGET, 1, Integer.MAX_VALUE)
                        .orElseThrow(
                                () -> ApiError.invalid(name, name + " is missing, give a number"));
        if (budget >= maxTokens) {
            throw ApiError.invalid(
                    name,
                    "%s is %d, it must be less than max_tokens, which is %d"
                            .formatted(name, budget, maxTokens));
        }
        return budget;
    }

    /// Reads the form that the text must have, and how much effort it is worth.
    private void output() {
        fields.object("output_format").ifPresent(this::format);
        fields.object("output_config")
                .ifPresent(
                        config -> {
                            config.object("format").ifPresent(this::format);
                            chat.copy(config, "effort", "reasoning_effort");
                        });
    }

    private void format(Fields format) {
        if (!format.requireText("type").equals("json_schema")) {
            throw Fields.outside(format.name("type"), format.value("type"), "{json_schema}");
        }
        Fields schema =
                format.object("schema")
                        .orElseThrow(
                                () ->
                                        ApiError.invalid(
                                                format.name("schema"),
                                                format.name("schema")
                                                        + " is missing, give a JSON Schema"));
        ObjectNode wanted = chat.node().putObject("response_format").put("type", "json_schema");
        wanted.putObject("json_schema")
                .put("name", "output")
                .put("strict", true)
                .set("schema", schema.node());
    }
}
