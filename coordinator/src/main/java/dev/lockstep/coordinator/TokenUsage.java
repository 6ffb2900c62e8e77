// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.Usage;

/// The tokens of a request: each prompt once, all choices together.
///
/// @param cachedTokens prompt tokens served from the prefix cache
/// @param reasoningTokens completion tokens that wrote reasoning
record TokenUsage(int promptTokens, int completionTokens, int cachedTokens, int reasoningTokens) {
    static TokenUsage ofPrompt(int tokens) {
        return new TokenUsage(tokens, 0, 0, 0);
    }

    TokenUsage plus(Delta delta) {
        return new TokenUsage(
                promptTokens,
                completionTokens + delta.tokens().size(),
                cachedTokens,
                reasoningTokens + delta.reasoningTokens());
    }

    TokenUsage before(Delta delta) {
        return new TokenUsage(
                promptTokens,
                completionTokens - delta.tokens().size(),
                cachedTokens,
                reasoningTokens - delta.reasoningTokens());
    }

    TokenUsage withCached(int tokens) {
        return new TokenUsage(promptTokens, completionTokens, tokens, reasoningTokens);
    }

    ObjectNode toJson() {
        ObjectNode usage =
                Json.object()
                        .put("prompt_tokens", promptTokens)
                        .put("completion_tokens", completionTokens)
                        .put("total_tokens", promptTokens + completionTokens);
        usage.putObject("prompt_tokens_details").put("cached_tokens", cachedTokens);
        usage.putObject("completion_tokens_details").put("reasoning_tokens", reasoningTokens);
        return usage;
    }

    Usage toProto() {
        return Usage.newBuilder()
                .setPromptTokens(promptTokens)
                .setCompletionTokens(completionTokens)
                .setCachedTokens(cachedTokens)
                .setReasoningTokens(reasoningTokens)
                .build();
    }
}
