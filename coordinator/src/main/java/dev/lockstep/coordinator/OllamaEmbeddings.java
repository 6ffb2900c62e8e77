// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.coordinator.engine.RequestOptions;
import dev.lockstep.coordinator.engine.RequestedOutputs;
import dev.lockstep.coordinator.engine.TokenPrompt;
import dev.lockstep.proto.v1.Pooling;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Ollama's `POST /api/embed`, `{model, input, truncate, dimensions}` to `{embeddings}`, and the
/// older `POST /api/embeddings`, `{model, prompt}` to `{embedding}`: the vectors of
/// `/v1/embeddings`.
final class OllamaEmbeddings {
    private static final int MAX_INPUTS = 2048;

    private final CompletionFactory completions;

    OllamaEmbeddings(CompletionFactory completions) {
        this.completions = completions;
    }

    /// Checks a body of `POST /api/embed`. The completion does not refer to the body.
    Completion embed(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        JsonNode input = fields.value("input");
        List<String> texts =
                input.isTextual()
                        ? List.of(Fields.text("input", input))
                        : fields.list("input", MAX_INPUTS, Fields::text);
        if (texts.isEmpty()) {
            throw ApiError.invalid("input", "input is missing or empty, give text");
        }
        boolean truncate = fields.flag("truncate", true);
        int dimensions = fields.integer("dimensions", 0, Integer.MAX_VALUE, 0);
        return completion(fields, "input", texts, truncate, dimensions, context, exchange, inbox);
    }

    /// Checks a body of `POST /api/embeddings`. The completion does not refer to the body.
    Completion embedOne(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        List<String> text = List.of(fields.requireText("prompt"));
        return completion(fields, "prompt", text, true, 0, context, exchange, inbox);
    }

    private Completion completion(
            Fields fields,
            String field,
            List<String> texts,
            boolean truncate,
            int dimensions,
            RequestContext context,
            HttpExchange exchange,
            CompletionInbox inbox) {
        ServedModel model = completions.model();
        OllamaName.require(fields, "model", model);
        List<TokenPrompt> prompts = new ArrayList<>();
        for (String text : texts) {
            String name = Prompt.name(field, prompts.size(), texts.size());
            int[] ids = model.encode(name, text, true);
            if (truncate && ids.length > completions.context()) {
                ids = Arrays.copyOf(ids, completions.context());
            }
            prompts.add(
                    new TokenPrompt(
                            ids, RequestedOutputs.pooled(Pooling.POOLING_LAST, ids.length)));
        }
        RequestOptions options = RequestOptionFields.parse(fields, context);
        PreparedRequest request = completions.embed(field, prompts, options, context);
        boolean one = field.equals("prompt");
        return completions.completion(
                request,
                inbox,
                new Vectors(
                        exchange,
                        fields.requireText("model"),
                        texts.size(),
                        dimensions,
                        one,
                        context));
    }

    /// Collects the vectors of a request.
    private final class Vectors extends PooledVectors {
        private final String model;
        private final boolean one;
        private final long beginNanos;

        /// @param dimensions how many of the first components a vector keeps, or 0 for all
        Vectors(
                HttpExchange exchange,
                String model,
                int inputs,
                int dimensions,
                boolean one,
                RequestContext context) {
            super(exchange, inputs, dimensions == 0 ? Integer.MAX_VALUE : dimensions);
            this.model = model;
            this.one = one;
            this.beginNanos = context.arrivedNanos();
        }

        @Override
        ObjectNode toJson(TokenUsage usage) {
            if (one) {
                ObjectNode response = Json.object();
                write(vector(0), response.putArray("embedding"));
                return response;
            }
            ObjectNode response = Json.object().put("model", model);
            ArrayNode all = response.putArray("embeddings");
            for (int input = 0; input < count(); input++) {
                write(vector(input), all.addArray());
            }
            return response.put("total_duration", completions.clock().nanoTime() - beginNanos)
                    .put("load_duration", 0)
                    .put("prompt_eval_count", usage.promptTokens());
        }

        private static void write(float[] vector, ArrayNode to) {
            for (float value : vector) {
                to.add(value);
            }
        }
    }
}
