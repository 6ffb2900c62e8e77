// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.coordinator.engine.RequestOptions;
import dev.lockstep.coordinator.engine.RequestedOutputs;
import dev.lockstep.coordinator.engine.Sampling;
import dev.lockstep.coordinator.engine.TokenPrompt;
import dev.lockstep.proto.v1.Pooling;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Set;

/// `POST /v1/embeddings`: one vector of length 1 for each input, pooled from the last layer's
/// hidden states.
///
/// `{model, input, pooling, encoding_format, dimensions}`; with `dimensions` a vector keeps so many
/// of its first components, which suits models that were trained for it. `pooling` is `last` (the
/// last token's, the default) or `mean`, `encoding_format` `float` or `base64` (32-bit floats,
/// little-endian).
final class EmbeddingsApi {
    private static final int MAX_INPUTS = 2048;

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
        int dimensions = fields.integer("dimensions", 1, model.hiddenSize(), model.hiddenSize());
        Truncation truncation = Truncation.parse(fields);
        Pooling pooling = OutputFields.pooling(fields, Pooling.POOLING_LAST);
        boolean special = fields.flag("add_special_tokens", true);
        List<TokenPrompt> prompts = new ArrayList<>();
        List<Prompt> inputs = Prompt.list("input", MAX_INPUTS, fields, model);
        for (Prompt input : inputs) {
            String name = Prompt.name("input", prompts.size(), inputs.size());
            int[] ids =
                    truncation.of(
                            input.encode(name, model, special),
                            completions.context(),
                            Sampling.NO_TOKENS);
            prompts.add(new TokenPrompt(ids, RequestedOutputs.pooled(pooling, ids.length)));
        }
        RequestOptions options = RequestOptionFields.parse(fields, context);
        PreparedRequest request = completions.embed("input", prompts, options, context);
        return completions.completion(
                request,
                inbox,
                new Embeddings(exchange, model, prompts.size(), dimensions, base64));
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
                int inputs,
                int dimensions,
                boolean base64) {
            super(exchange, inputs, dimensions);
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
