// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.proto.v1.PositionOutputs;
import dev.lockstep.text.tools.AnswerEvent;
import java.time.Instant;
import java.util.Optional;

/// An answer of `/api/chat` or `/api/generate`: lines of JSON, or one object, whose last one has
/// counts and durations.
final class OllamaAnswer implements ResponseSink {
    private final HttpExchange exchange;
    private final Form form;
    private final Clock clock;
    private final long beginNanos;

    // What is not sent yet.
    private final StringBuilder content = new StringBuilder();
    private final StringBuilder thinking = new StringBuilder();
    private ArrayNode calls = Json.array();
    private ArrayNode logprobs = Json.array();

    private Optional<AnswerEvent.CallStart> call = Optional.empty();
    private final StringBuilder arguments = new StringBuilder();
    private Optional<Finish> finish = Optional.empty();
    private boolean begun;
    private long firstNanos;

    /// The form of an answer.
    ///
    /// @param name of the model, as the client wrote it
    /// @param chat whether the text is a message; otherwise it is a field
    record Form(String name, ServedModel model, boolean chat, boolean stream, boolean logprobs) {}

    OllamaAnswer(HttpExchange exchange, Form form, Clock clock, long beginNanos) {
        this.exchange = exchange;
        this.form = form;
        this.clock = clock;
        this.beginNanos = beginNanos;
    }

    @Override
    public void outputs(int choice, PositionOutputs outputs) {}

    @Override
    public void delta(int choice, Delta delta, TokenUsage usage) {
        if (!begun) {
            begun = true;
            firstNanos = clock.nanoTime();
        }
        delta.events().forEach(this::accept);
        if (form.logprobs()) {
            delta.inText()
                    .forEach(shown -> logprobs.add(ChatFormat.entry(form.model(), shown.token())));
        }
        flush();
    }

    private void accept(AnswerEvent event) {
        switch (event) {
            case AnswerEvent.Content(String text) -> content.append(text);
            case AnswerEvent.Reasoning(String text) -> thinking.append(text);
            case AnswerEvent.CallStart start -> {
                call = Optional.of(start);
                arguments.setLength(0);
            }
            case AnswerEvent.Arguments(int _, String text) -> arguments.append(text);
            case AnswerEvent.CallEnd _ -> call.ifPresent(this::add);
        }
    }

    /// Adds a call when it is complete: clients expect its arguments as an object.
    private void add(AnswerEvent.CallStart start) {
        ObjectNode added = calls.addObject();
        start.id().ifPresent(id -> added.put("id", id));
        added.putObject("function")
                .put("index", start.index())
                .put("name", start.name())
                .set("arguments", Json.objectOrEmpty(arguments.toString()));
        call = Optional.empty();
    }

    /// Sends what there is, in a stream.
    private void flush() {
        if (form.stream() && !(content.isEmpty() && thinking.isEmpty() && calls.isEmpty())) {
            exchange.event(Json.bytes(part(false)));
        }
    }

    @Override
    public void finished(int choice, Finish end, TokenUsage usage) {
        finish = Optional.of(end);
    }

    @Override
    public void quiet() {
        exchange.comment();
    }

    @Override
    public void completed(TokenUsage usage) {
        flush();
        long now = clock.nanoTime();
        long first = begun ? firstNanos : now;
        ObjectNode last =
                part(true)
                        .put("done_reason", finish.map(OllamaAnswer::reason).orElse("load"))
                        .put("total_duration", now - beginNanos)
                        .put("load_duration", 0)
                        .put("prompt_eval_count", usage.promptTokens())
                        .put("prompt_eval_duration", first - beginNanos)
                        .put("eval_count", usage.completionTokens())
                        .put("eval_duration", now - first);
        if (form.stream()) {
            exchange.event(Json.bytes(last));
            exchange.endEvents();
        } else {
            exchange.json(200, last);
        }
    }

    private static String reason(Finish end) {
        return switch (end.reason()) {
            // Clients see the calls.
            case STOP, TOOL_CALLS -> "stop";
            case LENGTH -> "length";
        };
    }

    @Override
    public void failed(ApiError error) {
        exchange.fail(error);
    }

    /// Takes what is not sent yet.
    private ObjectNode part(boolean done) {
        ObjectNode part =
                Json.object().put("model", form.name()).put("created_at", Instant.now().toString());
        ObjectNode text = part;
        if (form.chat()) {
            text = part.putObject("message").put("role", "assistant");
        }
        text.put(form.chat() ? "content" : "response", content.toString());
        Json.putUnlessEmpty(text, "thinking", thinking.toString());
        if (!calls.isEmpty()) {
            text.set("tool_calls", calls);
            calls = Json.array();
        }
        if (!logprobs.isEmpty()) {
            part.set("logprobs", logprobs);
            logprobs = Json.array();
        }
        content.setLength(0);
        thinking.setLength(0);
        return part.put("done", done);
    }
}
