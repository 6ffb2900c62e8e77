// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.process.Version;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.text.ModelTemplate;

/// Ollama's API: another form of the requests and answers of chats, completions and embeddings.
final class OllamaApi {
    private static final String MODEL = "model";

    private final CompletionFactory completions;
    private final OllamaModels models;

    OllamaApi(CompletionFactory completions) {
        this.completions = completions;
        this.models = new OllamaModels(completions);
    }

    OllamaModels models() {
        return models;
    }

    ObjectNode version() {
        return Json.object().put("version", Version.TEXT);
    }

    /// Checks a body of `POST /api/chat`. The completion does not refer to the body.
    Completion chat(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        ServedModel model = completions.model();
        String name = OllamaName.require(fields, MODEL, model);
        ResponseSink sink = answer(fields, true, context, exchange);
        if (!OllamaFields.hasMessages(fields)) {
            return completions.completion(completions.nothing(context), inbox, sink);
        }
        ChatRequest chat = OllamaFields.chat(fields, name).parse(model, context);
        return completions.completion(completions.prepare(chat, context), inbox, sink);
    }

    /// Checks a body of `POST /api/generate`. The completion does not refer to the body.
    Completion generate(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        ServedModel model = completions.model();
        String name = OllamaName.require(fields, MODEL, model);
        OllamaFields.refuseInPrompts(fields);
        ResponseSink sink = answer(fields, false, context, exchange);
        PreparedRequest request;
        if (!OllamaFields.isGiven(fields, "prompt") && !OllamaFields.isGiven(fields, "suffix")) {
            request = completions.nothing(context);
        } else if (isRaw(fields, model)) {
            request =
                    completions.prepare(
                            OllamaFields.raw(fields, name).parseText(model, context), context);
        } else {
            request =
                    completions.prepare(
                            OllamaFields.prompt(fields, name).parse(model, context), context);
        }
        return completions.completion(request, inbox, sink);
    }

    /// Returns whether no template renders the prompt: the client wants it so, or there is none.
    private static boolean isRaw(Fields fields, ServedModel model) {
        return fields.flag("raw", false)
                || OllamaFields.isGiven(fields, "suffix")
                || (model.chatTemplate() instanceof ModelTemplate.Missing
                        && !OllamaFields.isGiven(fields, "system"));
    }

    private ResponseSink answer(
            Fields fields, boolean chat, RequestContext context, HttpExchange exchange) {
        var form =
                new OllamaAnswer.Form(
                        fields.requireText(MODEL),
                        completions.model(),
                        chat,
                        fields.flag("stream", true),
                        OllamaFields.logprobs(fields));
        return new OllamaAnswer(exchange, form, completions.clock(), context.arrivedNanos());
    }
}
