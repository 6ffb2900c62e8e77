// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

/// The descriptions of the served model: by each of its names at `/v1/models`, and its tokenizer.
final class ModelsApi {
    static final String PATH = "/v1/models";

    private final CompletionFactory completions;

    ModelsApi(CompletionFactory completions) {
        this.completions = completions;
    }

    ObjectNode list() {
        ObjectNode list = Json.object().put("object", "list");
        ArrayNode data = list.putArray("data");
        completions.model().names().forEach(name -> data.add(model(name)));
        return list;
    }

    ObjectNode model(String name) {
        ServedModel model = completions.model();
        model.requireName(name);
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

    ObjectNode tokenizer() {
        ServedModel model = completions.model();
        if (model.tokenizer().isEmpty()) {
            throw ApiError.refused(
                    404, "no_tokenizer", "the model " + model.name() + " has no tokenizer");
        }
        return model.tokenizerInfo();
    }
}
