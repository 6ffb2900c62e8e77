// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.coordinator.engine.RequestOptions;
import dev.lockstep.coordinator.engine.TokenPrompt;
import dev.lockstep.proto.v1.PositionOutputs;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;

/// `POST /v1/embeddings`: one vector for each input, pooled from the last layer's hidden states.
///
/// `{model, input, prompt_name, input_type, pooling, normalize, truncate, encoding_format,
/// dimensions}`; with `dimensions` a vector keeps so many of its first components, which suits
/// models that were trained for it. The defaults of pooling, prompt and normalising are those of
/// the model's files, else the last token's vector with length 1. `encoding_format` is `float` or
/// `base64` (32-bit floats, little-endian).
final class EmbeddingsApi {
    private static final int MAX_INPUTS = 2048;
    private static final String PROMPT = "prompt";

    private final CompletionFactory completions;

    EmbeddingsApi(CompletionFactory completions) {
        this.completions = completions;
    }

    /// Checks a body. The completion does not refer to the body.
    Completion embed(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        ServedModel model = completions.model();
        model.requireName(fields.requireText("model"));
        UnservedFields.refuseInEmbeddings(fields);
        boolean base64 = isBase64(fields);
        EmbeddingInputs settings = settings(fields, model);
        List<TokenPrompt> prompts =
                settings.all("input", Prompt.list("input", MAX_INPUTS, fields, model), fields);
        RequestOptions options = RequestOptionFields.parse(fields, context);
        PreparedRequest request = completions.embed("input", prompts, options, context);
        return completions.completion(
                request, inbox, new Embeddings(exchange, model, prompts, settings.form(), base64));
    }

    private EmbeddingInputs settings(Fields fields, ServedModel model) {
        return EmbeddingInputs.parse(fields, model, completions.context())
                .withDimensions(dimensions(fields, model));
    }

    /// Prepares the vector of a gRPC request with the pooling of the model's files.
    Vector ofModel(Fields fields, RequestContext context) {
        ServedModel model = completions.model();
        model.requireName(fields.requireText("model"));
        if (fields.integer("max_tokens", 0, 0).isEmpty() || !fields.has(PROMPT)) {
            throw ApiError.invalid(
                    OutputFields.POOLING,
                    "pooling is model, which requires max_tokens 0, and prompt or prompt_ids");
        }
        EmbeddingInputs settings = settings(fields, model);
        List<TokenPrompt> prompts =
                settings.all(PROMPT, List.of(Prompt.one(PROMPT, fields, model)), fields);
        RequestOptions options = RequestOptionFields.parse(fields, context);
        return new Vector(
                completions.embed(PROMPT, prompts, options, context),
                outputs -> settings.form().of(outputs, prompts.getFirst()));
    }

    /// A request for one vector, and what makes it of the outputs.
    record Vector(PreparedRequest request, UnaryOperator<PositionOutputs> form) {}

    private static int dimensions(Fields fields, ServedModel model) {
        int all = model.sentence().dimensions(model.hiddenSize());
        return fields.integer("dimensions", 1, all, all);
    }

    private static boolean isBase64(Fields fields) {
        String format = fields.text("encoding_format").orElse("float");
        if (!Set.of("float", "base64").contains(format)) {
            throw Fields.outside(
                    "encoding_format", fields.value("encoding_format"), "{float, base64}");
        }
        return format.equals("base64");
    }

    /// Collects the vectors of a request.
    private static final class Embeddings extends PooledVectors {
        private final ServedModel model;
        private final boolean base64;

        Embeddings(
                HttpExchange exchange,
                ServedModel model,
                List<TokenPrompt> prompts,
                VectorForm form,
                boolean base64) {
            super(exchange, prompts, form);
            this.model = model;
            this.base64 = base64;
        }

        @Override
        ObjectNode toJson(TokenUsage usage) {
            ObjectNode response = Json.object().put("object", "list");
            ArrayNode data = response.putArray("data");
            for (int input = 0; input < count(); input++) {
                ObjectNode entry = data.addObject().put("object", "embedding").put("index", input);
                if (base64) {
                    entry.put("embedding", base64(vector(input)));
                } else {
                    ArrayNode values = entry.putArray("embedding");
                    for (float value : vector(input)) {
                        values.add(value);
                    }
                }
            }
            response.put("model", model.name());
            response.putObject("usage")
                    .put("prompt_tokens", usage.promptTokens())
                    .put("total_tokens", usage.promptTokens());
            return response;
        }

        private static String base64(float[] values) {
            ByteBuffer bytes =
                    ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            for (float value : values) {
                bytes.putFloat(value);
            }
            return Base64.getEncoder().encodeToString(bytes.array());
        }
    }
}
