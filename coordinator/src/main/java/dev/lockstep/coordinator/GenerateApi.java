package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.Inbox;

/// The two routes that generate: OpenAI's chat and its older completions.
final class GenerateApi {
    private final Completions completions;

    GenerateApi(Completions completions) {
        this.completions = completions;
    }

    /// Checks a body of `POST /v1/chat/completions`.
    ///
    /// @return what is left to do, which needs the body no more
    Runnable chat(Fields fields, Envelope envelope, Exchange exchange, Inbox inbox) {
        OutputFields.refuseBeyondHttp(fields);
        ChatRequest request = ChatRequest.parse(fields, completions.model(), envelope);
        return completions.chat(
                request,
                envelope,
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
    Runnable complete(Fields fields, Envelope envelope, Exchange exchange, Inbox inbox) {
        OutputFields.refuseBeyondHttp(fields);
        CompletionRequest request = CompletionRequest.parse(fields, completions.model(), envelope);
        return completions.complete(
                request,
                envelope,
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

    private static Answer answer(
            Exchange exchange,
            Completions.Outline outline,
            StreamFields delivery,
            AnswerFormat format,
            int choicesPerPrompt) {
        AnswerHead head =
                new AnswerHead(
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
                : new WholeAnswer(exchange, head, format, outline.choices(), choicesPerPrompt);
    }
}
