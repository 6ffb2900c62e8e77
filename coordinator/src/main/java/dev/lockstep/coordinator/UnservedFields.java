package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/// Fields that clients of this field's servers know and that are not served yet: each is refused by
/// name unless it carries null or what it would be anyway.
///
/// Ignoring one would answer another question than was asked. What is in no list is ignored.
final class UnservedFields {
    private static final Predicate<JsonNode> NEVER = value -> false;
    private static final Predicate<JsonNode> OFF = value -> value.isBoolean() && !value.asBoolean();
    private static final Predicate<JsonNode> ON = value -> value.isBoolean() && value.asBoolean();
    private static final Predicate<JsonNode> EMPTY =
            value -> value.isTextual() ? value.textValue().isEmpty() : value.isEmpty();

    /// On every route that generates.
    private static final Map<String, Predicate<JsonNode>> GENERATING =
            Map.ofEntries(
                    Map.entry("response_format", UnservedFields::isPlainText),
                    Map.entry("structured_outputs", NEVER),
                    Map.entry("guided_json", NEVER),
                    Map.entry("guided_regex", NEVER),
                    Map.entry("guided_choice", NEVER),
                    Map.entry("guided_grammar", NEVER),
                    Map.entry("guided_decoding_backend", NEVER),
                    Map.entry("guided_whitespace_pattern", NEVER),
                    Map.entry("structural_tag", NEVER),
                    Map.entry("json_schema", NEVER),
                    Map.entry("grammar", EMPTY),
                    Map.entry("regex", EMPTY),
                    Map.entry("ebnf", EMPTY),
                    Map.entry("stop_regex", EMPTY),
                    Map.entry("best_of", number(1)),
                    Map.entry("use_beam_search", OFF),
                    Map.entry("length_penalty", number(1)),
                    Map.entry("early_stopping", OFF),
                    Map.entry("prompt_logprobs", NEVER),
                    Map.entry("allowed_token_ids", NEVER),
                    Map.entry("bad_words", EMPTY),
                    Map.entry("no_repeat_ngram_size", number(0)),
                    Map.entry("typical_p", number(1)),
                    Map.entry("mirostat", number(0)),
                    Map.entry("dry_multiplier", number(0)),
                    Map.entry("xtc_probability", number(0)),
                    Map.entry("top_n_sigma", number(-1)),
                    Map.entry("truncate_prompt_tokens", NEVER),
                    Map.entry("spaces_between_special_tokens", ON),
                    Map.entry("return_tokens_as_token_ids", OFF),
                    Map.entry("detokenize", ON),
                    Map.entry("logits_processors", EMPTY),
                    Map.entry("repetition_detection", NEVER),
                    Map.entry("thinking_token_budget", NEVER),
                    Map.entry("priority", number(0)),
                    Map.entry("deadline_ms", number(0)),
                    Map.entry("cache_salt", EMPTY),
                    Map.entry("tenant", EMPTY),
                    Map.entry("adapter", EMPTY),
                    Map.entry("lora_request", NEVER),
                    Map.entry("lora", EMPTY),
                    Map.entry("speculative", EMPTY),
                    Map.entry("kv_transfer_params", NEVER),
                    Map.entry("service_tier", text("auto", "default")),
                    Map.entry("store", OFF));

    private static final Map<String, Predicate<JsonNode>> CHAT =
            Map.ofEntries(
                    Map.entry("tool_choice", text("none", "auto")),
                    Map.entry("functions", EMPTY),
                    Map.entry("function_call", text("none", "auto")),
                    Map.entry("modalities", value -> isOnly(value, "text")),
                    Map.entry("audio", NEVER),
                    Map.entry("prediction", NEVER),
                    Map.entry("web_search_options", NEVER),
                    Map.entry("reasoning_effort", text("none")),
                    Map.entry("documents", EMPTY),
                    Map.entry("chat_template", EMPTY),
                    Map.entry("chat_template_kwargs", EMPTY),
                    Map.entry("continue_final_message", OFF),
                    Map.entry("echo", OFF),
                    Map.entry("mm_processor_kwargs", NEVER));

    private static final Map<String, Predicate<JsonNode>> COMPLETIONS =
            Map.of("suffix", EMPTY, "prompt_embeds", NEVER);

    private UnservedFields() {}

    static void refuseInChat(Fields fields) {
        refuse(fields, GENERATING);
        refuse(fields, CHAT);
        boolean toolsUsed = !fields.value("tool_choice").asText().equals("none");
        if (toolsUsed && fields.has("tools") && !EMPTY.test(fields.value("tools"))) {
            throw refusal(fields, "tools");
        }
    }

    static void refuseInCompletions(Fields fields) {
        refuse(fields, GENERATING);
        refuse(fields, COMPLETIONS);
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

    private static Predicate<JsonNode> number(int harmless) {
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
