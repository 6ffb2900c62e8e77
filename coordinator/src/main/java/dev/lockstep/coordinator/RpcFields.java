package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.InferenceRequest;

/// A gRPC request as the tree that the checks of the HTTP API read.
final class RpcFields {
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
        putSampling(fields, request);
        putEnds(fields, request);
        putTerms(fields, request);
        putOutputs(fields, request);
        return new Fields(fields);
    }

    static void putMessages(ObjectNode fields, dev.lockstep.proto.v1.ChatMessages chat) {
        ArrayNode messages = fields.putArray("messages");
        chat.getMessagesList()
                .forEach(
                        message ->
                                messages.addObject()
                                        .put("role", message.getRole())
                                        .put("content", message.getContent()));
    }

    private static void putSampling(ObjectNode fields, InferenceRequest request) {
        if (request.hasTemperature()) {
            fields.put("temperature", request.getTemperature());
        }
        if (request.hasTopP()) {
            fields.put("top_p", request.getTopP());
        }
        if (request.hasTopK()) {
            fields.put("top_k", request.getTopK());
        }
        if (request.hasMinP()) {
            fields.put("min_p", request.getMinP());
        }
        if (request.hasRepetitionPenalty()) {
            fields.put("repetition_penalty", request.getRepetitionPenalty());
        }
        if (request.hasFrequencyPenalty()) {
            fields.put("frequency_penalty", request.getFrequencyPenalty());
        }
        if (request.hasPresencePenalty()) {
            fields.put("presence_penalty", request.getPresencePenalty());
        }
        if (request.getLogitBiasCount() > 0) {
            ObjectNode biases = fields.putObject("logit_bias");
            request.getLogitBiasList()
                    .forEach(one -> biases.put(Integer.toString(one.getTokenId()), one.getBias()));
        }
        if (request.hasSeed()) {
            fields.put("seed", request.getSeed());
        }
        if (request.hasN()) {
            fields.put("n", request.getN());
        }
        putLogprobs(fields, request);
    }

    /// The two routes spell them differently.
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

    private static void putTerms(ObjectNode fields, InferenceRequest request) {
        if (request.hasPriority()) {
            fields.put("priority", request.getPriority());
        }
        if (request.hasDeadlineMs()) {
            fields.put("deadline_ms", request.getDeadlineMs());
        }
        if (request.hasServiceClass()) {
            fields.put("service_class", request.getServiceClass());
        }
        fields.put("cache_salt", request.getCacheSalt());
        if (request.hasCachePriority()) {
            fields.put("cache_priority", request.getCachePriority());
        }
        if (request.hasCacheTtlMs()) {
            fields.put("cache_ttl_ms", request.getCacheTtlMs());
        }
    }

    private static void putOutputs(ObjectNode fields, InferenceRequest request) {
        if (request.hasPromptLogprobs()) {
            fields.put("prompt_logprobs", request.getPromptLogprobs());
        }
        fields.put(OutputFields.HIDDEN_STATES, request.getReturnHiddenStates());
        if (request.hasPooling()) {
            fields.put(OutputFields.POOLING, request.getPooling());
        }
    }

    private static void putEnds(ObjectNode fields, InferenceRequest request) {
        if (request.hasMaxTokens()) {
            fields.put("max_tokens", request.getMaxTokens());
        }
        if (request.hasMinTokens()) {
            fields.put("min_tokens", request.getMinTokens());
        }
        ArrayNode stops = fields.putArray("stop");
        request.getStopList().forEach(stops::add);
        ArrayNode stopIds = fields.putArray("stop_token_ids");
        request.getStopTokenIdsList().forEach(stopIds::add);
        fields.put("ignore_eos", request.getIgnoreEos());
        fields.put("include_stop_str_in_output", request.getIncludeStopStrInOutput());
        if (request.hasSkipSpecialTokens()) {
            fields.put("skip_special_tokens", request.getSkipSpecialTokens());
        }
    }
}
