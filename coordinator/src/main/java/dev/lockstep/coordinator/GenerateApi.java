package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.CompletionInbox;

/// The two routes that generate: OpenAI's chat and its older completions.
final class GenerateApi {
    private final CompletionFactory completions;

    GenerateApi(CompletionFactory completions) {
        this.completions = completions;
    }

    /// Checks a body of `POST /v1/chat/completions`.
    ///
    /// @return what is left to do, which needs the body no more
    Runnable chat(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        OutputFields.refuseBeyondHttp(fields);
        ChatRequest request = ChatRequest.parse(fields, completions.model(), context);
        return completions.chat(
                request,
                context,
                inbox,
                outline ->
                        answer(
                                exchange,
                                outline,
                                request.delivery(),
                                new ChatFormat(
                                        outline.model(),
                                        request.sampling(),
                                        request.returnTokenIds(),
                                        request.outputs().promptLogprobs().isPresent()),
                                request.sampling().choices()));
    }

    /// As [#chat], of `POST /v1/completions`.
    Runnable complete(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        OutputFields.refuseBeyondHttp(fields);
        TextRequest request = TextRequest.parse(fields, completions.model(), context);
        return completions.complete(
                request,
                context,
                inbox,
                outline ->
                        answer(
                                exchange,
                                outline,
                                request.delivery(),
                                new TextFormat(
                                        outline.model(),
                                        request.sampling(),
                                        request.returnTokenIds(),
                                        request.outputs().promptLogprobs().isPresent(),
                                        outline.echoes()),
                                request.sampling().choices()));
    }

    private static ResponseSink answer(
            HttpExchange exchange,
            CompletionFactory.Outline outline,
            StreamFields delivery,
            ResponseFormat format,
            int choicesPerPrompt) {
        ResponseHead head =
                new ResponseHead(
                        outline.id(), System.currentTimeMillis() / 1000, outline.model().name());
        return delivery.stream()
                ? new EventStream(
                        exchange,
                        head,
                        format,
                        delivery,
                        outline.choices(),
                        choicesPerPrompt,
                        outline.promptTokens())
                : new WholeResponse(exchange, head, format, outline.choices(), choicesPerPrompt);
    }
}
