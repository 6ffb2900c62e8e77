// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.coordinator.engine.RequestOptions;
import dev.lockstep.coordinator.engine.RequestedOutputs;
import dev.lockstep.coordinator.engine.TokenPrompt;
import dev.lockstep.proto.v1.PositionOutputs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// `POST /score`: the log-likelihood of a continuation.
///
/// `{model, prompt, continuation}` to `{logprob, token_logprobs, tokens, usage}`: natural
/// logarithms, `logprob` their sum. Two texts are concatenated and tokenized together; the
/// continuation begins at the first token that differs from the prompt's own tokens, so a token
/// across the border belongs to it. Token ids are concatenated unchanged.
final class ScoreApi {
    private final CompletionFactory completions;

    ScoreApi(CompletionFactory completions) {
        this.completions = completions;
    }

    /// Checks a body. The completion does not refer to the body.
    Completion score(
            Fields fields,
            RequestContext requestContext,
            HttpExchange exchange,
            CompletionInbox inbox) {
        ServedModel model = completions.model();
        model.requireName(fields.requireText("model"));
        model.requireOutputHead();
        Prompt prompt = Prompt.one("prompt", fields, model);
        Prompt continuation = Prompt.one("continuation", fields, model);
        boolean special = fields.flag("add_special_tokens", true);
        int[] context = prompt.encode("prompt", model, special);
        int[] whole = whole(prompt, context, continuation, model, special);
        int first = Math.min(Arrays.mismatch(context, whole), context.length);
        if (whole.length == context.length && first < 0) {
            throw ApiError.invalid(
                    "continuation", "continuation is empty, it must have at least one token");
        }
        if (first < 1) {
            throw ApiError.invalid(
                    "prompt", "prompt has no token of its own before the continuation, give one");
        }
        var scored = new TokenPrompt(whole, RequestedOutputs.scored(first));
        RequestOptions options = RequestOptionFields.parse(fields, requestContext);
        PreparedRequest request =
                completions.score("prompt and continuation", scored, options, requestContext);
        return completions.completion(request, inbox, new ScoreSink(exchange));
    }

    private static int[] whole(
            Prompt prompt, int[] context, Prompt continuation, ServedModel model, boolean special) {
        if (prompt instanceof Prompt.Text(String before)
                && continuation instanceof Prompt.Text(String after)) {
            return model.encode("continuation", before + after, special);
        }
        int[] added = continuation.encode("continuation", model, false);
        int[] whole = Arrays.copyOf(context, context.length + added.length);
        System.arraycopy(added, 0, whole, context.length, added.length);
        return whole;
    }

    /// Collects the log-probabilities of a continuation.
    private static final class ScoreSink extends CollectedResponse {
        private final List<GeneratedToken> tokens = new ArrayList<>();

        ScoreSink(HttpExchange exchange) {
            super(exchange);
        }

        @Override
        public void outputs(int choice, PositionOutputs outputs) {
            outputs.getNextTokensList()
                    .forEach(token -> tokens.add(GeneratedToken.fromProto(token)));
        }

        @Override
        ObjectNode toJson(TokenUsage usage) {
            double sum = 0;
            for (GeneratedToken token : tokens) {
                sum += token.logprob();
            }
            ObjectNode response = Json.object().put("logprob", sum);
            ArrayNode values = response.putArray("token_logprobs");
            tokens.forEach(token -> values.add(token.logprob()));
            ArrayNode ids = response.putArray("tokens");
            tokens.forEach(token -> ids.add(token.id()));
            response.set("usage", usage.toJson());
            return response;
        }
    }
}
