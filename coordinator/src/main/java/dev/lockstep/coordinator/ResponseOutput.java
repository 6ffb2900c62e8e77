// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.text.tools.AnswerEvent;
import java.util.Optional;
import java.util.function.Consumer;

/// The output of a response: turns the parts of an answer into items, and tells what happens to
/// them in events, without their numbers. Confined to one thread.
///
/// One item is open at a time: text, reasoning or a call. Another kind of part ends it.
final class ResponseOutput {
    private static final String IN_PROGRESS = "in_progress";
    private static final String COMPLETED = "completed";

    /// The field of a reasoning item with the text in the form of [EncodedReasoning].
    static final String ENCODED = "encrypted_content";

    private final String response;
    private final boolean encoded;
    private final Consumer<ObjectNode> events;
    private final ArrayNode items = Json.object().putArray("output");
    private final ArrayNode cuts = Json.array();
    private Optional<Open> open = Optional.empty();
    private ArrayNode pending = Json.object().putArray("logprobs");

    /// The item that is being written.
    private record Open(
            Kind kind,
            ObjectNode item,
            StringBuilder text,
            ArrayNode logprobs,
            ArrayNode cuts,
            int index) {
        String id() {
            return item.path("id").asText();
        }
    }

    private enum Kind {
        TEXT,
        REASONING,
        CALL
    }

    /// @param response its id
    /// @param encoded whether reasoning items have their text as `encrypted_content`, too
    ResponseOutput(String response, boolean encoded, Consumer<ObjectNode> events) {
        this.response = response;
        this.encoded = encoded;
        this.events = events;
    }

    /// Adds the log-probabilities of a token, which belong to the text that follows.
    void addLogprobs(ObjectNode entry) {
        pending.add(entry);
    }

    /// Adds the next part of the answer.
    void accept(AnswerEvent part) {
        switch (part) {
            case AnswerEvent.Content(String text) -> addText(text);
            case AnswerEvent.Reasoning(String text) -> {
                Open item = requireOpen(Kind.REASONING);
                pending.removeAll();
                item.text().append(text);
                item.cuts().add(text.length());
                events.accept(partEvent(item, "response.reasoning_text.delta").put("delta", text));
            }
            case AnswerEvent.CallStart start -> {
                close(COMPLETED);
                ObjectNode item =
                        head("fc_", ResponseItems.CALL)
                                .put(
                                        "call_id",
                                        start.id()
                                                .orElseGet(
                                                        () ->
                                                                ItemId.ofOutput(
                                                                        "call_",
                                                                        response,
                                                                        items.size())))
                                .put("name", start.name())
                                .put("arguments", "");
                begin(Kind.CALL, item);
            }
            case AnswerEvent.Arguments(int _, String text) -> {
                Open item = requireOpen(Kind.CALL);
                pending.removeAll();
                item.text().append(text);
                item.cuts().add(text.length());
                events.accept(
                        itemEvent(item, "response.function_call_arguments.delta")
                                .put("delta", text));
            }
            case AnswerEvent.CallEnd _ -> close(COMPLETED);
        }
    }

    private void addText(String text) {
        Open item = requireOpen(Kind.TEXT);
        item.text().append(text);
        item.logprobs().addAll(pending);
        item.cuts().add(text.length()).add(pending.size());
        ObjectNode event = partEvent(item, "response.output_text.delta").put("delta", text);
        event.set("logprobs", brief(pending));
        events.accept(event);
        pending = Json.object().putArray("logprobs");
    }

    /// Ends the output. An answer without any text has a message without text.
    ///
    /// @param complete whether the last item was written to its end
    void end(boolean complete) {
        if (complete && items.isEmpty() && open.isEmpty()) {
            requireOpen(Kind.TEXT);
        }
        if (!pending.isEmpty() && open.filter(item -> item.kind() == Kind.TEXT).isPresent()) {
            // Tokens without text, such as the one that ends it.
            addText("");
        }
        close(complete ? COMPLETED : "incomplete");
    }

    /// Returns the items that have ended.
    ArrayNode items() {
        return items;
    }

    /// Returns the cuts of these items, see [ResponseCuts].
    ArrayNode cuts() {
        return cuts;
    }

    private ObjectNode head(String prefix, String type) {
        return Json.object()
                .put("id", ItemId.ofOutput(prefix, response, items.size()))
                .put("type", type)
                .put("status", IN_PROGRESS);
    }

    private Open requireOpen(Kind kind) {
        if (open.isPresent() && open.get().kind() == kind) {
            return open.get();
        }
        close(COMPLETED);
        return switch (kind) {
            case TEXT -> {
                ObjectNode item =
                        head("msg_", ResponseItems.MESSAGE).put("role", ResponseItems.ASSISTANT);
                item.putArray("content");
                Open begun = begin(kind, item);
                partAdded(begun, ResponseItems.outputText(""));
                yield begun;
            }
            case REASONING -> {
                ObjectNode item = head("rs_", ResponseItems.REASONING);
                item.putArray("summary");
                item.putArray("content");
                Open begun = begin(kind, item);
                partAdded(begun, reasoningText(""));
                yield begun;
            }
            case CALL -> throw new IllegalStateException("arguments without a call");
        };
    }

    private Open begin(Kind kind, ObjectNode item) {
        var begun =
                new Open(kind, item, new StringBuilder(), Json.array(), Json.array(), items.size());
        open = Optional.of(begun);
        events.accept(indexed(begun, "response.output_item.added", item));
        return begun;
    }

    private void partAdded(Open item, ObjectNode part) {
        ObjectNode event = partEvent(item, "response.content_part.added");
        event.set("part", part);
        events.accept(event);
    }

    private void close(String status) {
        if (open.isEmpty()) {
            return;
        }
        Open item = open.get();
        open = Optional.empty();
        String text = item.text().toString();
        switch (item.kind()) {
            case TEXT -> {
                ObjectNode event = partEvent(item, "response.output_text.done").put("text", text);
                event.set("logprobs", brief(item.logprobs()));
                events.accept(event);
                ObjectNode part = ResponseItems.outputText(text);
                part.set("logprobs", item.logprobs());
                partDone(item, part);
            }
            case REASONING -> {
                events.accept(partEvent(item, "response.reasoning_text.done").put("text", text));
                partDone(item, reasoningText(text));
                if (encoded) {
                    item.item().put(ENCODED, EncodedReasoning.of(text));
                }
            }
            case CALL -> {
                events.accept(
                        itemEvent(item, "response.function_call_arguments.done")
                                .put("name", item.item().path("name").asText())
                                .put("arguments", text));
                item.item().put("arguments", text);
            }
        }
        item.item().put("status", status);
        items.add(item.item());
        cuts.add(item.cuts());
        events.accept(indexed(item, "response.output_item.done", item.item()));
    }

    private void partDone(Open item, ObjectNode part) {
        ObjectNode event = partEvent(item, "response.content_part.done");
        event.set("part", part);
        events.accept(event);
        item.item().putArray("content").add(part);
    }

    private static ObjectNode reasoningText(String text) {
        return Json.object().put("type", "reasoning_text").put("text", text);
    }

    private static ObjectNode indexed(Open open, String type, ObjectNode item) {
        ObjectNode event = Json.object().put("type", type).put("output_index", open.index());
        event.set("item", item.deepCopy());
        return event;
    }

    private static ObjectNode itemEvent(Open item, String type) {
        return Json.object()
                .put("type", type)
                .put("item_id", item.id())
                .put("output_index", item.index());
    }

    private static ObjectNode partEvent(Open item, String type) {
        return itemEvent(item, type).put("content_index", 0);
    }

    /// Returns log-probabilities without the bytes of tokens, as events have them.
    private static ArrayNode brief(ArrayNode logprobs) {
        ArrayNode brief = logprobs.deepCopy();
        brief.forEach(
                entry -> {
                    ((ObjectNode) entry).remove("bytes");
                    entry.path("top_logprobs").forEach(top -> ((ObjectNode) top).remove("bytes"));
                });
        return brief;
    }
}
