// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.CompletionInbox;

/// llama.cpp's `/infill`, which editors use: another form of a completion with a suffix.
final class InfillApi {
    static final String PATH = "/infill";

    private static final int MAX_RESPONSE_FIELDS = 64;

    private final CompletionFactory completions;

    InfillApi(CompletionFactory completions) {
        this.completions = completions;
    }

    /// Checks a body of `POST /infill`. The completion does not refer to the body.
    Completion infill(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        ServedModel model = completions.model();
        FillInTheMiddle.require(model, "input_prefix");
        TextRequest text = InfillFields.read(fields, model).parseMiddle(model, context);
        PreparedRequest request = completions.prepare(text, context);
        var form =
                new InfillAnswer.Form(
                        model.name(),
                        fields.flag("stream", false),
                        fields.flag("return_tokens", false),
                        InfillFields.onlyCaches(fields),
                        fields.list("response_fields", MAX_RESPONSE_FIELDS, Fields::text));
        var answer = new InfillAnswer(exchange, form, completions.clock(), context.arrivedNanos());
        return completions.completion(request, inbox, answer);
    }
}
