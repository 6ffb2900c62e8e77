// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// One choice of a `/v1/completions` response, streamed or not.
///
/// @param logprobs of the chosen and the top tokens, as received JSON: equal text means equal bits,
///   since a float is written with all digits that distinguish it from its neighbours
record Generated(String text, List<Integer> ids, List<String> logprobs, String finishReason) {

    Generated {
        ids = List.copyOf(ids);
        logprobs = List.copyOf(logprobs);
    }

    /// Reads a stream to its end, which must not be an error.
    static Generated of(EventReader events) {
        var text = new StringBuilder();
        List<Integer> ids = new ArrayList<>();
        List<String> logprobs = new ArrayList<>();
        String finishReason = "";
        for (Optional<JsonNode> event = events.next(); event.isPresent(); event = events.next()) {
            JsonNode chunk = event.get();
            assertTrue(chunk.path("error").isMissingNode(), chunk::toString);
            for (JsonNode choice : chunk.path("choices")) {
                text.append(choice.path("text").asText());
                ids.addAll(JsonNodes.integers(choice.path("token_ids")));
                addLogprobs(choice.path("logprobs"), logprobs);
                if (choice.path("finish_reason").isTextual()) {
                    finishReason = choice.path("finish_reason").asText();
                }
            }
        }
        assertEquals(200, events.status());
        assertTrue(events.isDone(), "the stream ends with [DONE]");
        return new Generated(text.toString(), ids, logprobs, finishReason);
    }

    /// Returns the only choice of a response.
    static Generated of(JsonNode response) {
        return ofChoice(response.path("choices").path(0));
    }

    /// Returns all choices of a response, in their order.
    static List<Generated> choices(JsonNode response) {
        List<Generated> choices = new ArrayList<>();
        response.path("choices").forEach(choice -> choices.add(ofChoice(choice)));
        return choices;
    }

    private static Generated ofChoice(JsonNode choice) {
        List<String> logprobs = new ArrayList<>();
        addLogprobs(choice.path("logprobs"), logprobs);
        return new Generated(
                choice.path("text").asText(),
                JsonNodes.integers(choice.path("token_ids")),
                logprobs,
                choice.path("finish_reason").asText());
    }

    static int promptTokens(JsonNode response) {
        return response.at("/usage/prompt_tokens").asInt(-1);
    }

    /// Returns the number of prompt tokens found in the prefix cache.
    static int cachedTokens(JsonNode response) {
        return response.at("/usage/prompt_tokens_details/cached_tokens").asInt(-1);
    }

    static void addLogprobs(JsonNode logprobs, List<String> into) {
        for (int i = 0; i < logprobs.path("tokens").size(); i++) {
            into.add(
                    logprobs.path("tokens").path(i)
                            + " "
                            + logprobs.path("token_logprobs").path(i)
                            + " "
                            + logprobs.path("top_logprobs").path(i));
        }
    }
}
