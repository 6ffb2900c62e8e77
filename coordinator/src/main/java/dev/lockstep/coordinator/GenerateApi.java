// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.CompletionInbox;

/// The two routes that generate text: OpenAI's chat and its older completions.
final class GenerateApi {
    private final CompletionFactory completions;

    GenerateApi(CompletionFactory completions) {
        this.completions = completions;
    }

    /// Checks a body of `POST /v1/chat/completions`. The completion does not refer to the body.
    Completion chat(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        OutputFields.refuseGrpcOnly(fields);
        ChatRequest chat = ChatRequest.parse(fields, completions.model(), context);
        PreparedRequest request =
                resumable(completions.prepare(chat, context), chat.delivery(), context);
        ResponseFormat format =
                new ChatFormat(
                        request,
                        chat.returnTokenIds(),
                        chat.outputs().promptLogprobs().isPresent(),
                        chat.tools().form());
        return completions.completion(
                request,
                inbox,
                chat.delivery().stream()
                        ? new EventStream(exchange, request, format, chat.delivery())
                        : new WholeResponse(exchange, request, format));
    }

    /// A client can go on with a stream, whose events have ids, and with what it has given a key.
    private static PreparedRequest resumable(
            PreparedRequest request, StreamFields delivery, RequestContext context) {
        boolean named =
                delivery.stream()
                        || context.origin().filter(RequestOrigin::isRepeatable).isPresent();
        return named ? request : request.endingWithItsClient();
    }

    /// Checks a body of `POST /v1/completions`. The completion does not refer to the body.
    Completion complete(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        OutputFields.refuseGrpcOnly(fields);
        TextRequest text = TextRequest.parse(fields, completions.model(), context);
        PreparedRequest request =
                resumable(completions.prepare(text, context), text.delivery(), context);
        ResponseFormat format =
                new TextFormat(
                        request,
                        text.returnTokenIds(),
                        text.outputs().promptLogprobs().isPresent());
        return completions.completion(
                request,
                inbox,
                text.delivery().stream()
                        ? new EventStream(exchange, request, format, text.delivery())
                        : new WholeResponse(exchange, request, format, text.bestOf()));
    }
}
