// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.GenerationDefaults;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ModelTemplate;
import java.time.Instant;

/// The routes of Ollama's API that describe the served model.
final class OllamaModels {
    private final CompletionFactory completions;

    OllamaModels(CompletionFactory completions) {
        this.completions = completions;
    }

    /// Lists the names of the model.
    ObjectNode tags() {
        ServedModel model = completions.model();
        ObjectNode list = Json.object();
        ArrayNode models = list.putArray("models");
        model.names()
                .forEach(name -> models.add(entry(name, model).put("modified_at", created(model))));
        return list;
    }

    /// Lists the model as one that is in memory for as long as the server runs.
    ObjectNode running() {
        ServedModel model = completions.model();
        ObjectNode list = Json.object();
        list.putArray("models")
                .add(
                        entry(model.name(), model)
                                .put("expires_at", "9999-12-31T23:59:59Z")
                                .put("size_vram", 0)
                                .put("context_length", completions.context()));
        return list;
    }

    /// `{model}` to a description of it.
    ObjectNode show(Fields fields) {
        ServedModel model = completions.model();
        OllamaName.require(fields, fields.has("model") ? "model" : "name", model);
        ModelDetails details = model.details();
        ObjectNode shown = Json.object();
        shown.put("modelfile", "FROM " + OllamaName.tagged(model.name()) + "\n");
        shown.put("parameters", parameters(model.defaults()));
        if (model.chatTemplate() instanceof ModelTemplate.Usable(ChatTemplate template)) {
            shown.put("template", template.source());
        }
        shown.set("details", details(details));
        shown.putObject("model_info")
                .put("general.architecture", details.architecture())
                .put("general.parameter_count", details.parameters())
                .put("general.basename", model.name())
                .put(details.architecture() + ".context_length", completions.context())
                .put(details.architecture() + ".embedding_length", model.hiddenSize())
                .put(details.architecture() + ".vocab_size", model.vocabularySize());
        putCapabilities(shown.putArray("capabilities"), model);
        return shown.put("modified_at", created(model));
    }

    private static void putCapabilities(ArrayNode capabilities, ServedModel model) {
        if (model.outputHead()) {
            capabilities.add("completion");
        }
        if (model.sentence().output() instanceof SentenceModel.Vectors) {
            capabilities.add("embedding");
        }
        if (!model.outputHead()) {
            return;
        }
        model.tokenizer()
                .flatMap(FillInTheMiddle::of)
                .ifPresent(tokens -> capabilities.add("insert"));
        model.answers()
                .format()
                .ifPresent(
                        format -> {
                            format.tools().ifPresent(each -> capabilities.add("tools"));
                            format.reasoning().ifPresent(each -> capabilities.add("thinking"));
                        });
    }

    private static ObjectNode entry(String name, ServedModel model) {
        String tagged = OllamaName.tagged(name);
        ObjectNode entry =
                Json.object()
                        .put("name", tagged)
                        .put("model", tagged)
                        .put("size", model.details().bytes())
                        .put("digest", model.details().digest());
        entry.set("details", details(model.details()));
        return entry;
    }

    private static ObjectNode details(ModelDetails model) {
        ObjectNode details =
                Json.object()
                        .put("parent_model", "")
                        .put("format", model.format())
                        .put("family", model.architecture());
        details.putArray("families").add(model.architecture());
        return details.put("parameter_size", model.parameterSize())
                .put("quantization_level", model.weightType());
    }

    /// Returns the sampling values of requests that have none, a line each.
    private static String parameters(GenerationDefaults defaults) {
        return """
        temperature %s
        top_k %d
        top_p %s
        min_p %s
        repeat_penalty %s"""
                .formatted(
                        defaults.temperature(),
                        defaults.topK(),
                        defaults.topP(),
                        defaults.minP(),
                        defaults.repetitionPenalty());
    }

    private static String created(ServedModel model) {
        return Instant.ofEpochSecond(model.created()).toString();
    }
}
