// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.ByteString;
import dev.lockstep.coordinator.engine.EngineRequest;
import dev.lockstep.coordinator.engine.RequestOptions;
import dev.lockstep.coordinator.engine.Sampling;
import dev.lockstep.coordinator.engine.TokenPrompt;
import dev.lockstep.proto.v1.ClientRecord;
import java.util.List;
import java.util.Optional;

/// One request, ready to run: every field is checked and every prompt is token ids.
///
/// @param id of the response, and of the request at the scheduler
/// @param created seconds since 1970
/// @param requestId for the log
/// @param echoes the prompt of each choice, returned before its text; empty without `echo`
/// @param context upper bound of the tokens of a prompt and its output
/// @param answer how its text is taken apart; empty if it is not
/// @param samplingParams the encoded `SamplingParams` of all choices, with their seed
/// @param constraint the encoded `TextConstraint` of all choices; empty for any text
/// @param client what another coordinator needs; empty if none can go on
/// @param resumed what was there of the response before
record PreparedRequest(
        String id,
        long created,
        String requestId,
        ServedModel model,
        List<TokenPrompt> prompts,
        List<Echo> echoes,
        Sampling sampling,
        RequestOptions options,
        int context,
        Optional<AnswerPlan> answer,
        ByteString samplingParams,
        ByteString constraint,
        Optional<ClientRecord> client,
        Optional<ResumedResponse> resumed) {
    /// A prompt that is returned before its text.
    record Echo(String text, int[] ids) {
        int characters() {
            return text.codePointCount(0, text.length());
        }
    }

    PreparedRequest {
        prompts = List.copyOf(prompts);
        echoes = List.copyOf(echoes);
    }

    int promptTokens() {
        return prompts.stream().mapToInt(TokenPrompt::length).sum();
    }

    int choicesPerPrompt() {
        return sampling.choices();
    }

    /// Returns the number of choices of all prompts.
    int choices() {
        return prompts.size() * choicesPerPrompt();
    }

    /// Returns false when no token is generated and no output of a prompt is requested.
    boolean needsEngine() {
        return sampling.generates() || prompts.stream().anyMatch(prompt -> prompt.outputs().any());
    }

    /// Returns one prompt for a scheduler. The first has the id of the response, so that the
    /// timeline of a response can be requested by it.
    EngineRequest engineRequest(int prompt) {
        TokenPrompt own = prompts.get(prompt);
        return new EngineRequest(
                prompt == 0 ? id : id + "-" + prompt,
                model.name(),
                own,
                sampling,
                options,
                samplingParams,
                constraint,
                context - own.length(),
                client.map(each -> each.toBuilder().setPrompt(prompt).build()));
    }

    /// Returns the request without what another coordinator needs.
    PreparedRequest endingWithItsClient() {
        return new PreparedRequest(
                id,
                created,
                requestId,
                model,
                prompts,
                echoes,
                sampling,
                options,
                context,
                answer,
                samplingParams,
                constraint,
                Optional.empty(),
                resumed);
    }

    /// Creates an object with the first fields of the response, or of each of its chunks.
    ObjectNode head(String objectName) {
        return Json.object()
                .put("id", id)
                .put("object", objectName)
                .put("created", created)
                .put("model", model.name());
    }
}
