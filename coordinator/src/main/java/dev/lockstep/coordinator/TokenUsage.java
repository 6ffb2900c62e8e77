// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.Usage;

/// The tokens of a request: each prompt once, all choices together.
///
/// @param cachedTokens prompt tokens served from the prefix cache
/// @param reasoningTokens completion tokens that wrote reasoning
/// @param migrations how often processes that ran the request were replaced
record TokenUsage(
        int promptTokens,
        int completionTokens,
        int cachedTokens,
        int reasoningTokens,
        int migrations) {
    static TokenUsage ofPrompt(int tokens) {
        return new TokenUsage(tokens, 0, 0, 0, 0);
    }

    TokenUsage plus(Delta delta) {
        return new TokenUsage(
                promptTokens,
                completionTokens + delta.tokens().size(),
                cachedTokens,
                reasoningTokens + delta.reasoningTokens(),
                migrations);
    }

    TokenUsage before(Delta delta) {
        return new TokenUsage(
                promptTokens,
                completionTokens - delta.tokens().size(),
                cachedTokens,
                reasoningTokens - delta.reasoningTokens(),
                migrations);
    }

    TokenUsage withCached(int tokens) {
        return new TokenUsage(promptTokens, completionTokens, tokens, reasoningTokens, migrations);
    }

    /// Counts the moves of a choice: the most of any choice count.
    TokenUsage withMigrations(int moves) {
        return moves <= migrations
                ? this
                : new TokenUsage(
                        promptTokens, completionTokens, cachedTokens, reasoningTokens, moves);
    }

    ObjectNode toJson() {
        ObjectNode usage =
                Json.object()
                        .put("prompt_tokens", promptTokens)
                        .put("completion_tokens", completionTokens)
                        .put("total_tokens", promptTokens + completionTokens);
        usage.putObject("prompt_tokens_details").put("cached_tokens", cachedTokens);
        usage.putObject("completion_tokens_details").put("reasoning_tokens", reasoningTokens);
        if (migrations > 0) {
            usage.putObject("lockstep").put("migrations", migrations);
        }
        return usage;
    }

    Usage toProto() {
        return Usage.newBuilder()
                .setPromptTokens(promptTokens)
                .setCompletionTokens(completionTokens)
                .setCachedTokens(cachedTokens)
                .setReasoningTokens(reasoningTokens)
                .setMigrations(migrations)
                .build();
    }
}
