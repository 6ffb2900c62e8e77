// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.proto.v1.PositionOutputs;
import java.util.List;

/// An answer of `/infill`: one object, or events of which the last has `stop`, counts and times.
final class InfillAnswer implements ResponseSink {
    private static final double NANOS_PER_MILLI = 1e6;

    private final HttpExchange exchange;
    private final Form form;
    private final Clock clock;
    private final long beginNanos;

    // What is not sent yet.
    private final StringBuilder content = new StringBuilder();
    private ArrayNode tokens = Json.array();

    private Finish finish = Finish.length();
    private boolean newLine;
    private boolean begun;
    private long firstNanos;

    /// The form of an answer.
    ///
    /// @param silent whether it has no text
    /// @param fields the only ones of the last object, with `/` between the names of nested ones;
    ///   empty for all
    record Form(String model, boolean stream, boolean tokens, boolean silent, List<String> fields) {
        Form {
            fields = List.copyOf(fields);
        }
    }

    InfillAnswer(HttpExchange exchange, Form form, Clock clock, long beginNanos) {
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
        if (form.silent()) {
            return;
        }
        String text = delta.text();
        content.append(text);
        newLine |= text.indexOf('\n') >= 0;
        if (form.stream() || form.tokens()) {
            delta.tokenIds().forEach(tokens::add);
        }
        if (form.stream() && !content.isEmpty()) {
            exchange.event(Json.bytes(counted(part(), usage)));
        }
    }

    /// Takes what is not sent yet.
    private ObjectNode part() {
        ObjectNode part = Json.object().put("index", 0).put("content", content.toString());
        part.set("tokens", tokens);
        content.setLength(0);
        tokens = Json.array();
        return part.put("stop", false);
    }

    private ObjectNode counted(ObjectNode part, TokenUsage usage) {
        return part.put("id_slot", -1)
                .put("tokens_predicted", form.silent() ? 0 : usage.completionTokens())
                .put("tokens_evaluated", usage.promptTokens());
    }

    @Override
    public void finished(int choice, Finish end, TokenUsage usage) {
        finish = end;
    }

    @Override
    public void quiet() {
        if (form.stream()) {
            exchange.comment();
        }
    }

    @Override
    public void completed(TokenUsage usage) {
        ObjectNode last =
                counted(part(), usage)
                        .put("stop", true)
                        .put("model", form.model())
                        .put("has_new_line", newLine)
                        .put("truncated", false)
                        .put("stop_type", stopType())
                        .put("stopping_word", finish.stopText())
                        .put("tokens_cached", usage.cachedTokens());
        last.set("timings", timings(usage));
        ObjectNode asked = form.fields().isEmpty() ? last : only(last);
        if (form.stream()) {
            exchange.event(Json.bytes(asked));
            exchange.endEvents();
        } else {
            exchange.json(200, asked);
        }
    }

    private String stopType() {
        return switch (finish.reason()) {
            case STOP, TOOL_CALLS -> finish.stopText().isEmpty() ? "eos" : "word";
            case LENGTH -> "limit";
        };
    }

    private ObjectNode timings(TokenUsage usage) {
        long now = clock.nanoTime();
        long first = begun ? firstNanos : now;
        int computed = usage.promptTokens() - usage.cachedTokens();
        ObjectNode timings = Json.object().put("cache_n", usage.cachedTokens());
        put(timings, "prompt", computed, first - beginNanos);
        put(timings, "predicted", form.silent() ? 0 : usage.completionTokens(), now - first);
        return timings;
    }

    private static void put(ObjectNode timings, String what, int count, long nanos) {
        double millis = nanos / NANOS_PER_MILLI;
        timings.put(what + "_n", count)
                .put(what + "_ms", millis)
                .put(what + "_per_token_ms", count == 0 ? 0 : millis / count)
                .put(what + "_per_second", millis == 0 ? 0 : 1000 * count / millis);
    }

    private ObjectNode only(ObjectNode all) {
        ObjectNode some = Json.object();
        for (String name : form.fields()) {
            JsonNode value = all.at("/" + name);
            if (!value.isMissingNode()) {
                some.set(name, value);
            }
        }
        return some;
    }

    @Override
    public void failed(ApiError error) {
        exchange.fail(error);
    }
}
