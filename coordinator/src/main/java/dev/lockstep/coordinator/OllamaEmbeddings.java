// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.coordinator.engine.RequestOptions;
import dev.lockstep.coordinator.engine.TokenPrompt;
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
        SentenceModel.Vectors vectors = model.requireVectors();
        var settings =
                new EmbeddingInputs(
                        model,
                        vectors,
                        VectorForm.of(vectors)
                                .normalized(true)
                                .cutTo(dimensions == 0 ? Integer.MAX_VALUE : dimensions),
                        completions.context(),
                        truncate ? TextCut.END : TextCut.NONE,
                        Truncation.NONE,
                        true);
        List<Prompt> inputs = texts.stream().<Prompt>map(Prompt.Text::new).toList();
        List<TokenPrompt> prompts = settings.all(field, inputs, fields);
        RequestOptions options = RequestOptionFields.parse(fields, context);
        PreparedRequest request = completions.embed(field, prompts, options, context);
        boolean one = field.equals("prompt");
        return completions.completion(
                request,
                inbox,
                new Vectors(
                        exchange,
                        fields.requireText("model"),
                        prompts,
                        settings.form(),
                        one,
                        context));
    }

    /// Collects the vectors of a request.
    private final class Vectors extends PooledVectors {
        private final String model;
        private final boolean one;
        private final long beginNanos;

        Vectors(
                HttpExchange exchange,
                String model,
                List<TokenPrompt> prompts,
                VectorForm form,
                boolean one,
                RequestContext context) {
            super(exchange, prompts, form);
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
