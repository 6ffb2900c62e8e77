// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.Descriptors.FieldDescriptor;
import dev.lockstep.proto.v1.ChatMessage;
import dev.lockstep.proto.v1.InferenceRequest;
import dev.lockstep.proto.v1.ToolCall;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// Converts a gRPC request to the tree that the checks of the HTTP API read. Fields have the same
/// names in both, except the input, `logit_bias` and the log-probabilities.
final class RpcFields {
    private static final Set<String> LOGPROBS = Set.of("logprobs", "top_logprobs");

    private RpcFields() {}

    static Fields of(InferenceRequest request) {
        ObjectNode fields = Json.object().put("model", request.getModel());
        switch (request.getInputCase()) {
            case PROMPT -> fields.put("prompt", request.getPrompt());
            case PROMPT_IDS -> {
                ArrayNode ids = fields.putArray("prompt");
                request.getPromptIds().getIdsList().forEach(ids::add);
            }
            case CHAT -> putMessages(fields, request.getChat());
            case INPUT_NOT_SET ->
                    throw ApiError.invalid(
                            "input", "input is missing, give prompt, prompt_ids or chat");
        }
        request.getAllFields().forEach((field, value) -> putScalars(fields, field, value));
        if (request.getLogitBiasCount() > 0) {
            ObjectNode biases = fields.putObject("logit_bias");
            request.getLogitBiasList()
                    .forEach(one -> biases.put(Integer.toString(one.getTokenId()), one.getBias()));
        }
        if (request.hasStructuredOutputs()) {
            ObjectNode outputs = fields.putObject("structured_outputs");
            request.getStructuredOutputs()
                    .getAllFields()
                    .forEach((field, value) -> putScalars(outputs, field, value));
        }
        putLogprobs(fields, request);
        return new Fields(fields);
    }

    /// Adds a field with the same name and values as in the HTTP API: a scalar, or a list of them.
    private static void putScalars(ObjectNode fields, FieldDescriptor field, Object value) {
        if (field.getRealContainingOneof() != null || LOGPROBS.contains(field.getName())) {
            return;
        }
        if (!field.isRepeated()) {
            scalar(field, value).ifPresent(node -> fields.set(field.getName(), node));
            return;
        }
        for (Object each : (List<?>) value) {
            scalar(field, each).ifPresent(node -> fields.withArray(field.getName()).add(node));
        }
    }

    private static Optional<JsonNode> scalar(FieldDescriptor field, Object value) {
        JsonNodeFactory nodes = JsonNodeFactory.instance;
        return switch (field.getJavaType()) {
            case BOOLEAN -> Optional.of(nodes.booleanNode((Boolean) value));
            case INT -> Optional.of(nodes.numberNode((Integer) value));
            case LONG -> Optional.of(nodes.numberNode((Long) value));
            case FLOAT -> Optional.of(nodes.numberNode((Float) value));
            case DOUBLE -> Optional.of(nodes.numberNode((Double) value));
            case STRING -> Optional.of(nodes.textNode((String) value));
            case BYTE_STRING, ENUM, MESSAGE -> Optional.empty();
        };
    }

    static void putMessages(ObjectNode fields, dev.lockstep.proto.v1.ChatMessages chat) {
        ArrayNode messages = fields.putArray("messages");
        chat.getMessagesList().forEach(message -> put(messages.addObject(), message));
        if (chat.hasAddGenerationPrompt()) {
            fields.put("add_generation_prompt", chat.getAddGenerationPrompt());
        }
        var json = new EmbeddedJson();
        for (int i = 0; i < chat.getDocumentsCount(); i++) {
            fields.withArray("documents")
                    .add(json.object("documents[" + i + "]", chat.getDocuments(i)));
        }
        String kwargs = chat.getChatTemplateKwargs();
        if (!kwargs.isEmpty()) {
            fields.set("chat_template_kwargs", json.object("chat_template_kwargs", kwargs));
        }
        putTools(fields, chat, json);
    }

    private static void putTools(
            ObjectNode fields, dev.lockstep.proto.v1.ChatMessages chat, EmbeddedJson json) {
        for (int i = 0; i < chat.getToolsCount(); i++) {
            fields.withArray(ToolFields.TOOLS)
                    .add(json.object("tools[" + i + "]", chat.getTools(i)));
        }
        String choice = chat.getToolChoice();
        if (choice.startsWith("{")) {
            fields.set(ToolFields.CHOICE, json.object(ToolFields.CHOICE, choice));
        } else if (!choice.isEmpty()) {
            fields.put(ToolFields.CHOICE, choice);
        }
        if (chat.hasParallelToolCalls()) {
            fields.put("parallel_tool_calls", chat.getParallelToolCalls());
        }
        if (chat.hasReasoningEffort()) {
            fields.put("reasoning_effort", chat.getReasoningEffort());
        }
        if (chat.hasThinkingTokenBudget()) {
            fields.put(ThinkingFields.BUDGET, chat.getThinkingTokenBudget());
        }
        if (chat.hasIncludeReasoning()) {
            fields.put("include_reasoning", chat.getIncludeReasoning());
        }
    }

    private static void put(ObjectNode fields, ChatMessage message) {
        fields.put("role", message.getRole());
        if (!message.getContent().isEmpty() || message.getToolCallsCount() == 0) {
            fields.put("content", message.getContent());
        }
        for (ToolCall call : message.getToolCallsList()) {
            ObjectNode node = fields.withArray("tool_calls").addObject().put("type", "function");
            if (!call.getId().isEmpty()) {
                node.put("id", call.getId());
            }
            node.putObject("function")
                    .put("name", call.getName())
                    .put("arguments", call.getArguments());
        }
        Map<String, String> texts =
                Map.of(
                        "name", message.getName(),
                        "tool_call_id", message.getToolCallId(),
                        "reasoning_content", message.getReasoningContent());
        texts.forEach(
                (field, text) -> {
                    if (!text.isEmpty()) {
                        fields.put(field, text);
                    }
                });
    }

    /// Adds the log-probabilities, for which chat and completions have different fields.
    private static void putLogprobs(ObjectNode fields, InferenceRequest request) {
        if (request.hasChat()) {
            fields.put("logprobs", request.getLogprobs());
            if (request.hasTopLogprobs()) {
                fields.put("top_logprobs", request.getTopLogprobs());
            }
        } else if (request.getLogprobs() || request.getTopLogprobs() != 0) {
            fields.put("logprobs", request.getTopLogprobs());
        }
    }
}
