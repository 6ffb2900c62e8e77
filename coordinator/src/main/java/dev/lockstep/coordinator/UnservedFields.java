// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static dev.lockstep.coordinator.UnservedField.any;
import static dev.lockstep.coordinator.UnservedField.unlessDisabled;
import static dev.lockstep.coordinator.UnservedField.unlessEmpty;
import static dev.lockstep.coordinator.UnservedField.unlessNumber;
import static dev.lockstep.coordinator.UnservedField.unlessOff;
import static dev.lockstep.coordinator.UnservedField.unlessOn;
import static dev.lockstep.coordinator.UnservedField.unlessText;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The fields that change the response of other servers and are not served here: each is refused by
/// name, unless its value is null or has no effect.
///
/// To ignore such a field would change the meaning of the request. Fields in no list are ignored.
final class UnservedFields {
    private static final String CHAT = "/v1/chat/completions";
    private static final String TEMPLATE_FILE = "a model whose chat template you want";
    private static final String SYSTEM_MESSAGE = "a message of role \"system\"";

    /// How tokens are chosen.
    private static final UnservedField[] SAMPLING = {
        unlessOff("use_beam_search"),
        unlessNumber("beam_width", 1),
        unlessNumber("num_beams", 1),
        unlessNumber("length_penalty", 1),
        unlessOff("early_stopping"),
        unlessEmpty("logits_processors"),
        unlessEmpty("custom_logit_processor"),
        unlessEmpty("vllm_xargs"),
        any("repetition_detection"),
        unlessNumber("no_repeat_ngram_size", 0),
        unlessNumber("repeat_penalty", 1).use("repetition_penalty"),
        unlessNumber("repeat_last_n", -1),
        unlessNumber("prompt_ignore_length", 0),
        unlessNumber("mirostat", 0),
        unlessNumber("dry_multiplier", 0),
        unlessNumber("xtc_probability", 0),
        unlessNumber("top_n_sigma", -1),
        unlessNumber("top_a", 0).use("min_p"),
        unlessNumber("tfs_z", 1),
        unlessNumber("eta_cutoff", 0),
        unlessNumber("epsilon_cutoff", 0),
        unlessNumber("dynatemp_range", 0),
        unlessNumber("top_p_decay", 1),
        unlessNumber("top_p_min", 0),
        unlessNumber("min_keep", 0),
        any("samplers"),
        unlessOn("do_sample").use("temperature 0"),
        any("random_seed").use("seed"),
        any("sampling_seed").use("seed"),
        unlessNumber("num_return_sequences", 1).use("n"),
    };

    /// How long the text is, what it may be, and what is returned with it.
    private static final UnservedField[] GENERATING = {
        unlessEmpty("format"),
        any("guided_decoding_backend"),
        any("guided_whitespace_pattern").use("whitespace"),
        unlessOff("grammar_lazy"),
        unlessEmpty("grammar_triggers"),
        unlessEmpty("stop_regex"),
        unlessEmpty("stop_sequences").use("stop"),
        unlessOff("no_stop_trim").use("include_stop_str_in_output"),
        any("max_new_tokens").use("max_tokens"),
        any("max_output_tokens").use("max_tokens"),
        any("max_tokens_to_sample").use("max_tokens"),
        any("num_predict").use("max_tokens"),
        unlessNumber("n_predict", -1).use("max_tokens"),
        unlessNumber("min_new_tokens", 0).use("min_tokens"),
        unlessNumber("n_indent", 0),
        unlessNumber("t_max_predict_ms", 0).use("deadline_ms"),
        any("prompt_truncate_len").use("truncate_prompt_tokens"),
        unlessEmpty("transforms"),
        unlessEmpty("plugins"),
        unlessText("truncation", "disabled"),
        unlessText("context_length_exceeded_behavior", "error"),
        unlessOn("spaces_between_special_tokens"),
        unlessOff("return_tokens_as_token_ids"),
        unlessOff("return_tokens").use("return_token_ids"),
        unlessNumber("n_probs", 0).use("logprobs"),
        unlessOff("post_sampling_probs"),
        unlessEmpty("response_fields"),
        unlessOff("return_full_text").use("echo of /v1/completions"),
        unlessOff("return_context_logits").use("prompt_logprobs"),
        unlessOff("return_generation_logits").use("logprobs"),
        unlessOn("detokenize"),
        unlessEmpty("options"),
        unlessEmpty("images"),
        unlessEmpty("image_data"),
        any("moderation"),
        unlessEmpty("tenant").use("the header or metadata key x-lockstep-tenant"),
        unlessEmpty("extra_key").use("cache_salt"),
        unlessEmpty("adapter"),
        unlessEmpty("adapter_id"),
        any("lora_request"),
        unlessEmpty("lora_path"),
        unlessEmpty("lora"),
        unlessEmpty("speculative"),
        any("kv_transfer_params"),
        any("disaggregated_params"),
        any("session_params"),
        unlessEmpty("previous_response_id"),
        unlessText("verbosity", "medium"),
    };

    /// How messages become a prompt.
    private static final UnservedField[] TEMPLATES = {
        unlessEmpty("chat_template").use(TEMPLATE_FILE),
        unlessEmpty("system").use(SYSTEM_MESSAGE),
        unlessEmpty("instructions").use(SYSTEM_MESSAGE),
        unlessOff("safe_prompt").use(SYSTEM_MESSAGE),
        unlessEmpty("input_ids").use("prompt of /v1/completions"),
        unlessEmpty("prompt_token_ids").use("prompt of /v1/completions"),
        unlessEmpty("mm_processor_kwargs"),
        unlessEmpty("media_io_kwargs"),
    };

    private static final UnservedField[] CHATS = {
        UnservedField.of("modalities", value -> isOnly(value, "text")),
        any("audio"),
        unlessNumber("best_of", 1).use("n"),
        any("web_search_options"),
        unlessOff("echo"),
    };

    /// What only chats serve.
    private static final UnservedField[] ONLY_IN_CHATS = {
        unlessText("reasoning_effort", "none").use(CHAT),
        unlessText("reasoning_format", "none").use(CHAT),
        unlessOn("include_reasoning").use(CHAT),
        unlessOff("separate_reasoning").use(CHAT),
        unlessDisabled("reasoning", "effort", "none").use(CHAT),
        unlessDisabled("thinking", "type", "disabled").use(CHAT),
        unlessOff("think").use(CHAT),
        unlessOff("enable_thinking").use(CHAT),
        unlessNumber("thinking_token_budget", -1).use(CHAT),
        unlessNumber("thinking_budget", -1).use(CHAT),
        unlessNumber("thinking_budget_tokens", -1).use(CHAT),
    };

    private static final Map<String, UnservedField> IN_CHAT =
            table(SAMPLING, GENERATING, TEMPLATES, CHATS);

    private static final Map<String, UnservedField> IN_COMPLETIONS =
            table(
                    SAMPLING,
                    GENERATING,
                    ONLY_IN_CHATS,
                    new UnservedField[] {
                        any("prompt_embeds"),
                        unlessEmpty("system").use("prompt"),
                        unlessEmpty("template").use("prompt"),
                    });

    /// What `/v1/responses` does not serve apart from what its chat refuses.
    private static final Map<String, UnservedField> IN_RESPONSES =
            table(
                    new UnservedField[] {
                        any("conversation").use("previous_response_id"),
                        any("prompt").use("input"),
                        unlessEmpty("messages").use("input"),
                        any("context_management"),
                        any("moderation"),
                        any("max_tokens").use("max_output_tokens"),
                        any("max_completion_tokens").use("max_output_tokens"),
                        unlessNumber("n", 1),
                        unlessOff("logprobs").use("top_logprobs"),
                        any("prompt_logprobs"),
                        unlessOff("return_token_ids"),
                        any("response_format").use("text.format"),
                        any("reasoning_effort").use("reasoning.effort"),
                    });

    private static final Map<String, UnservedField> IN_TEMPLATES = table(TEMPLATES);

    private static final Map<String, UnservedField> IN_EMBEDDINGS =
            table(
                    new UnservedField[] {
                        any("output_dimension").use("dimensions"),
                        unlessNumber("embd_normalize", 2),
                        unlessText("embed_dtype", "float32"),
                        unlessText("output_dtype", "float"),
                        unlessText("endianness", "little"),
                        unlessEmpty("instruction").use("a prefix of input"),
                        unlessEmpty("task").use("prompt_name"),
                        unlessEmpty("tenant").use("the header x-lockstep-tenant"),
                        unlessEmpty("adapter"),
                        unlessEmpty("lora"),
                    });

    private static final Map<String, UnservedField> IN_TOKENIZATION =
            table(
                    new UnservedField[] {
                        unlessOff("return_token_strs").use("/detokenize"),
                        unlessOff("with_pieces").use("/detokenize"),
                        unlessOn("add_special").use("add_special_tokens"),
                        unlessOn("parse_special"),
                        any("truncate_prompt_tokens"),
                    });

    private UnservedFields() {}

    static void refuseInChat(Fields fields) {
        refuse(fields, IN_CHAT);
    }

    static void refuseInCompletions(Fields fields) {
        refuse(fields, IN_COMPLETIONS);
    }

    static void refuseInResponses(Fields fields) {
        refuse(fields, IN_RESPONSES);
    }

    static void refuseInTemplates(Fields fields) {
        refuse(fields, IN_TEMPLATES);
    }

    static void refuseInEmbeddings(Fields fields) {
        refuse(fields, IN_EMBEDDINGS);
    }

    static void refuseInTokenization(Fields fields) {
        refuse(fields, IN_TOKENIZATION);
    }

    /// Refuses the first such field of the request.
    private static void refuse(Fields fields, Map<String, UnservedField> unserved) {
        for (Map.Entry<String, JsonNode> entry : fields.entries()) {
            UnservedField field = unserved.get(entry.getKey());
            if (field != null
                    && fields.has(field.name())
                    && !field.harmless().test(entry.getValue())) {
                throw refusal(fields, field);
            }
        }
    }

    private static ApiError refusal(Fields fields, UnservedField field) {
        return ApiError.unserved(
                fields.name(field.name()),
                fields.name(field.name())
                        + " is "
                        + Json.describe(fields.value(field.name()))
                        + ", and this field is not served; "
                        + field.instead());
    }

    private static Map<String, UnservedField> table(UnservedField[]... lists) {
        return Stream.of(lists)
                .flatMap(Arrays::stream)
                .collect(Collectors.toUnmodifiableMap(UnservedField::name, Function.identity()));
    }

    private static boolean isOnly(JsonNode value, String word) {
        return value.isArray() && value.size() == 1 && value.get(0).asText().equals(word);
    }
}
