// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.text.ChatVariables;
import java.util.List;

/// The routes that convert text to token ids and back, and messages to text.
final class TokenizerApi {
    private final CompletionFactory completions;

    TokenizerApi(CompletionFactory completions) {
        this.completions = completions;
    }

    /// `{model, prompt or messages, add_special_tokens, …}` to `{tokens, count, max_model_len}`.
    ObjectNode tokenize(Fields fields) {
        ServedModel model = completions.model();
        fields.text("model").ifPresent(model::requireName);
        UnservedFields.refuseInTokenization(fields);
        int[] ids;
        if (fields.has("messages")) {
            if (fields.has("prompt")) {
                throw ApiError.invalid("prompt", "give prompt or messages, not both");
            }
            UnservedFields.refuseInTemplates(fields);
            ids = model.encode(ServedModel.ChatPrompt.parse(fields, conversation(fields, model)));
        } else {
            ids =
                    model.encode(
                            "prompt",
                            fields.requireText("prompt"),
                            fields.flag("add_special_tokens", true));
        }
        ObjectNode response = Json.object();
        ArrayNode tokens = response.putArray("tokens");
        for (int id : ids) {
            tokens.add(id);
        }
        return response.put("count", ids.length).put("max_model_len", completions.context());
    }

    /// `{model, messages, tools, add_generation_prompt, …}` to `{prompt}`.
    ObjectNode applyTemplate(Fields fields) {
        ServedModel model = completions.model();
        fields.text("model").ifPresent(model::requireName);
        UnservedFields.refuseInTemplates(fields);
        return Json.object().put("prompt", model.render(conversation(fields, model)));
    }

    private static ChatVariables conversation(Fields fields, ServedModel model) {
        return ReasoningFields.told(
                ConversationFields.parseWithTools(fields), ThinkingFields.parse(fields), model);
    }

    /// `{model, tokens}` to `{prompt}`.
    ObjectNode detokenize(Fields fields) {
        ServedModel model = completions.model();
        fields.text("model").ifPresent(model::requireName);
        model.requireTokenizer("tokens");
        if (!fields.has("tokens")) {
            throw ApiError.invalid("tokens", "tokens is missing, give token ids");
        }
        List<Integer> tokens = fields.list("tokens", Integer.MAX_VALUE, model::requireToken);
        int[] ids = tokens.stream().mapToInt(Integer::intValue).toArray();
        return Json.object().put("prompt", model.decode(ids, false));
    }
}
