// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/// Fields that other servers know and that are not served yet: each is refused by name, unless its
/// value is null or has no effect.
///
/// To ignore such a field would change the meaning of the request. Fields in no list are ignored.
final class UnservedFields {
    /// The values of a field that have no effect.
    enum Harmless implements Predicate<JsonNode> {
        NEVER,
        OFF,
        ON,
        EMPTY;

        @Override
        public boolean test(JsonNode value) {
            return switch (this) {
                case NEVER -> false;
                case OFF -> value.isBoolean() && !value.asBoolean();
                case ON -> value.isBoolean() && value.asBoolean();
                case EMPTY -> value.isTextual() ? value.textValue().isEmpty() : value.isEmpty();
            };
        }
    }

    /// The fields of all routes that generate text.
    private static final Map<String, Predicate<JsonNode>> GENERATING =
            Map.ofEntries(
                    Map.entry("response_format", UnservedFields::isPlainText),
                    Map.entry("structured_outputs", Harmless.NEVER),
                    Map.entry("guided_json", Harmless.NEVER),
                    Map.entry("guided_regex", Harmless.NEVER),
                    Map.entry("guided_choice", Harmless.NEVER),
                    Map.entry("guided_grammar", Harmless.NEVER),
                    Map.entry("guided_decoding_backend", Harmless.NEVER),
                    Map.entry("guided_whitespace_pattern", Harmless.NEVER),
                    Map.entry("structural_tag", Harmless.NEVER),
                    Map.entry("json_schema", Harmless.NEVER),
                    Map.entry("grammar", Harmless.EMPTY),
                    Map.entry("regex", Harmless.EMPTY),
                    Map.entry("ebnf", Harmless.EMPTY),
                    Map.entry("stop_regex", Harmless.EMPTY),
                    Map.entry("truncate_prompt_tokens", Harmless.NEVER),
                    Map.entry("spaces_between_special_tokens", Harmless.ON),
                    Map.entry("return_tokens_as_token_ids", Harmless.OFF),
                    Map.entry("detokenize", Harmless.ON),
                    Map.entry("thinking_token_budget", Harmless.NEVER),
                    Map.entry("tenant", Harmless.EMPTY),
                    Map.entry("adapter", Harmless.EMPTY),
                    Map.entry("lora_request", Harmless.NEVER),
                    Map.entry("lora", Harmless.EMPTY),
                    Map.entry("speculative", Harmless.EMPTY),
                    Map.entry("kv_transfer_params", Harmless.NEVER),
                    Map.entry("service_tier", text("auto", "default")),
                    Map.entry("store", Harmless.OFF));

    private static final Map<String, Predicate<JsonNode>> CHAT =
            Map.ofEntries(
                    Map.entry("tool_choice", text("none", "auto")),
                    Map.entry("functions", Harmless.EMPTY),
                    Map.entry("function_call", text("none", "auto")),
                    Map.entry("modalities", value -> isOnly(value, "text")),
                    Map.entry("audio", Harmless.NEVER),
                    Map.entry("prediction", Harmless.NEVER),
                    Map.entry("web_search_options", Harmless.NEVER),
                    Map.entry("reasoning_effort", text("none")),
                    Map.entry("chat_template", Harmless.EMPTY),
                    Map.entry("continue_final_message", Harmless.OFF),
                    Map.entry("echo", Harmless.OFF),
                    Map.entry("mm_processor_kwargs", Harmless.NEVER));

    private static final Map<String, Predicate<JsonNode>> COMPLETIONS =
            Map.of("suffix", Harmless.EMPTY, "prompt_embeds", Harmless.NEVER);

    private static final Map<String, Predicate<JsonNode>> TEMPLATES =
            Map.of("chat_template", Harmless.EMPTY, "continue_final_message", Harmless.OFF);

    private UnservedFields() {}

    static void refuseInChat(Fields fields) {
        refuse(fields, GENERATING);
        refuse(fields, SamplingFields.UNSERVED);
        refuse(fields, CHAT);
        boolean toolsUsed = !fields.value("tool_choice").asText().equals("none");
        if (toolsUsed && fields.has("tools") && !Harmless.EMPTY.test(fields.value("tools"))) {
            throw refusal(fields, "tools");
        }
    }

    static void refuseInCompletions(Fields fields) {
        refuse(fields, GENERATING);
        refuse(fields, SamplingFields.UNSERVED);
        refuse(fields, COMPLETIONS);
    }

    static void refuseInTemplates(Fields fields) {
        refuse(fields, TEMPLATES);
    }

    private static void refuse(Fields fields, Map<String, Predicate<JsonNode>> harmless) {
        harmless.forEach(
                (field, isHarmless) -> {
                    if (fields.has(field) && !isHarmless.test(fields.value(field))) {
                        throw refusal(fields, field);
                    }
                });
    }

    private static ApiError refusal(Fields fields, String field) {
        return ApiError.unserved(
                fields.name(field),
                fields.name(field)
                        + " is "
                        + Json.describe(fields.value(field))
                        + ", and this field is not served; leave it out");
    }

    static Predicate<JsonNode> number(int harmless) {
        return value -> value.isNumber() && value.doubleValue() == harmless;
    }

    private static Predicate<JsonNode> text(String... harmless) {
        Set<String> words = Set.copyOf(List.of(harmless));
        return value -> value.isTextual() && words.contains(value.textValue());
    }

    private static boolean isPlainText(JsonNode value) {
        return value.isObject() && value.path("type").asText().equals("text");
    }

    private static boolean isOnly(JsonNode value, String word) {
        return value.isArray() && value.size() == 1 && value.get(0).asText().equals(word);
    }
}
