// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.util.List;

/// The descriptions of the served model: by each of its names at `/v1/models`, in the form of
/// OpenAI's or of Anthropic's API, and its tokenizer.
final class ModelsApi {
    static final String PATH = "/v1/models";

    private final CompletionFactory completions;

    ModelsApi(CompletionFactory completions) {
        this.completions = completions;
    }

    /// Lists the names of the model.
    ObjectNode list(WireFormat wire) {
        List<String> names = List.copyOf(completions.model().names());
        ObjectNode list = Json.object();
        if (wire != WireFormat.ANTHROPIC) {
            list.put("object", "list");
        }
        ArrayNode data = list.putArray("data");
        names.forEach(name -> data.add(model(name, wire)));
        if (wire == WireFormat.ANTHROPIC) {
            list.put("has_more", false)
                    .put("first_id", names.getFirst())
                    .put("last_id", names.getLast());
        }
        return list;
    }

    ObjectNode model(String name, WireFormat wire) {
        ServedModel model = completions.model();
        model.requireName(name);
        return wire == WireFormat.ANTHROPIC ? ofAnthropic(name, model) : ofOpenAi(name, model);
    }

    private ObjectNode ofOpenAi(String name, ServedModel model) {
        ObjectNode node =
                Json.object()
                        .put("id", name)
                        .put("object", "model")
                        .put("created", model.created())
                        .put("owned_by", "lockstep")
                        .put("root", model.name())
                        .putNull("parent")
                        .put("max_model_len", completions.context());
        node.putArray("permission");
        return node;
    }

    private ObjectNode ofAnthropic(String name, ServedModel model) {
        return Json.object()
                .put("type", "model")
                .put("id", name)
                .put("display_name", name)
                .put("created_at", Instant.ofEpochSecond(model.created()).toString())
                .put("max_input_tokens", completions.context())
                .put("max_tokens", completions.context());
    }

    ObjectNode tokenizer() {
        ServedModel model = completions.model();
        if (model.tokenizer().isEmpty()) {
            throw ApiError.refused(
                    404, "no_tokenizer", "the model " + model.name() + " has no tokenizer");
        }
        return model.tokenizerInfo();
    }
}
