// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;

/// Reads a body of Ollama's `/api/chat` or `/api/generate` as the body of the chat completion, or
/// of the completion, that means the same.
final class OllamaFields {
    private static final String OPTIONS = "options";
    private static final String THINK = "think";
    private static final Set<String> EFFORTS = Set.of("low", "medium", "high");

    /// Options that have the same name and meaning here. Others are about a server's memory and
    /// threads, or the context, which the server decides.
    private static final String[] SAME_OPTIONS = {
        "seed",
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "typical_p",
        "stop",
        "presence_penalty",
        "frequency_penalty",
    };

    private final Fields fields;
    private final ChatBody body;

    private OllamaFields(Fields fields) {
        this.fields = fields;
        this.body = new ChatBody(fields);
    }

    /// Reads a chat for `model`.
    static ChatBody chat(Fields fields, String model) {
        var reader = new OllamaFields(fields);
        reader.common(model);
        new OllamaConversation(reader.body).read(fields);
        reader.body.copy(fields, "tools");
        reader.think();
        return reader.body;
    }

    /// Reads the chat that a prompt for `model` means: a message of the user, after one of the
    /// system.
    static ChatBody prompt(Fields fields, String model) {
        var reader = new OllamaFields(fields);
        reader.common(model);
        fields.text("system")
                .filter(text -> !text.isEmpty())
                .ifPresent(text -> reader.body.message("system", text));
        reader.body.message("user", fields.requireText("prompt"));
        reader.think();
        return reader.body;
    }

    /// Reads a prompt for `model` that no template renders.
    static ChatBody raw(Fields fields, String model) {
        var reader = new OllamaFields(fields);
        reader.common(model);
        ObjectNode node = reader.body.node();
        node.remove("messages");
        node.put("prompt", fields.requireText("prompt"));
        // A completion has one field for both.
        node.remove(List.of("logprobs", "top_logprobs"));
        if (logprobs(fields)) {
            reader.body.renamed("top_logprobs", "logprobs").put("logprobs", 0);
            reader.body.copy(fields, "top_logprobs", "logprobs");
        }
        if (isGiven(fields, "suffix")) {
            reader.body.copy(fields, "suffix");
        }
        // Without a limit, a completion would end after a few tokens.
        if (!node.has("max_tokens")) {
            node.put("max_tokens", Integer.MAX_VALUE);
        }
        return reader.body;
    }

    /// Refuses a field unless it is empty or false.
    static void refuse(Fields fields, String field, String instead) {
        JsonNode value = fields.value(field);
        if (isGiven(fields, field) && !UnservedField.isOff(value)) {
            throw ApiError.unserved(
                    fields.name(field), fields.name(field) + " is not served; " + instead);
        }
    }

    static boolean isGiven(Fields fields, String field) {
        return fields.has(field) && !UnservedField.isEmpty(fields.value(field));
    }

    private void common(String model) {
        body.node().put("model", model).put("stream", fields.flag("stream", true));
        refuse(fields, "images", "only text is served");
        if (logprobs(fields)) {
            body.node().put("logprobs", true);
        }
        body.copy(fields, "top_logprobs");
        fields.object(OPTIONS).ifPresent(this::options);
        format();
    }

    private void options(Fields options) {
        body.copy(options, SAME_OPTIONS);
        OptionalInt predicted = options.integer("num_predict", -2, Integer.MAX_VALUE);
        if (predicted.orElse(0) > 0) {
            body.renamed(options.name("num_predict"), "max_tokens")
                    .put("max_tokens", predicted.getAsInt());
        }
        body.copy(options, "repeat_penalty", "repetition_penalty");
        if (options.number("mirostat", 0, 2, 0) != 0) {
            throw ApiError.unserved(
                    options.name("mirostat"), options.name("mirostat") + " is not served; use 0");
        }
    }

    private void format() {
        JsonNode format = fields.value("format");
        if (format instanceof ObjectNode schema) {
            ObjectNode wanted =
                    body.renamed("format", "response_format")
                            .putObject("response_format")
                            .put("type", "json_schema");
            wanted.putObject("json_schema")
                    .put("name", "format")
                    .put("strict", true)
                    .set("schema", schema);
        } else if (isGiven(fields, "format")) {
            if (!Fields.text("format", format).equals("json")) {
                throw Fields.outside("format", format, "{json} or be a JSON Schema");
            }
            body.renamed("format", "response_format")
                    .putObject("response_format")
                    .put("type", "json_object");
        }
    }

    private void think() {
        JsonNode think = fields.value(THINK);
        if (think.isMissingNode()) {
            return;
        }
        if (think.isTextual()) {
            if (!EFFORTS.contains(think.textValue())) {
                throw Fields.outside(THINK, think, "{true, false, low, medium, high}");
            }
            body.renamed(THINK, "reasoning_effort").put("reasoning_effort", think.textValue());
            body.think(true);
        } else {
            body.think(fields.flag(THINK, true));
        }
    }

    /// Returns whether the answer has log-probabilities.
    static boolean logprobs(Fields fields) {
        return fields.flag("logprobs", false);
    }

    /// Returns whether a chat has messages; without any, a client wants the model to be loaded.
    static boolean hasMessages(Fields fields) {
        return !fields.list("messages", Integer.MAX_VALUE, (name, value) -> name).isEmpty();
    }

    /// Refuses the fields of a prompt that cannot be served.
    static void refuseInPrompts(Fields fields) {
        refuse(fields, "template", "use raw and a prompt as the template would render it");
        refuse(fields, "context", "send the conversation to /api/chat");
        boolean unrendered = fields.flag("raw", false) || isGiven(fields, "suffix");
        if (unrendered && isGiven(fields, "system")) {
            throw ApiError.invalid(
                    "system", "system is given with raw or suffix, which no template renders");
        }
    }
}
