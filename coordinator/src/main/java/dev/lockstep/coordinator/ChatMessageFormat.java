// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.text.tools.Answer;
import dev.lockstep.text.tools.AnswerEvent;
import java.util.Optional;

/// The form of messages that call tools: `tool_calls`, or `function_call` for clients that sent
/// `functions`.
enum ChatMessageFormat {
    TOOL_CALLS,
    FUNCTION_CALL;

    private static final String ARGUMENTS = "arguments";

    /// Returns a whole message.
    ObjectNode whole(Answer answer) {
        ObjectNode message = Json.object().put("role", "assistant");
        boolean more = !answer.calls().isEmpty() || !answer.reasoning().isEmpty();
        message.put("content", answer.content().isEmpty() && more ? null : answer.content());
        message.putNull("refusal");
        if (!answer.reasoning().isEmpty()) {
            putReasoning(message, answer.reasoning());
        }
        if (answer.calls().isEmpty()) {
            return message;
        }
        if (this == FUNCTION_CALL) {
            Answer.Call call = answer.calls().getFirst();
            message.set("function_call", function(call.name(), call.arguments()));
            return message;
        }
        ArrayNode calls = message.putArray("tool_calls");
        for (Answer.Call call : answer.calls()) {
            calls.addObject()
                    .put("id", call.id().orElse(""))
                    .put("type", "function")
                    .set("function", function(call.name(), call.arguments()));
        }
        return message;
    }

    /// Returns the `delta` of a chunk for a part of the answer; empty if clients do not see it.
    Optional<ObjectNode> part(AnswerEvent event) {
        return switch (event) {
            case AnswerEvent.Content(String text) ->
                    Optional.of(Json.object().put("content", text));
            case AnswerEvent.Reasoning(String text) ->
                    Optional.of(putReasoning(Json.object(), text));
            case AnswerEvent.CallStart(int index, Optional<String> id, String name) -> {
                ObjectNode call =
                        Json.object()
                                .put("index", index)
                                .put("id", id.orElse(""))
                                .put("type", "function");
                yield call(index, call, function(name, ""));
            }
            case AnswerEvent.Arguments(int index, String text) ->
                    call(
                            index,
                            Json.object().put("index", index),
                            Json.object().put(ARGUMENTS, text));
            case AnswerEvent.CallEnd _ -> Optional.empty();
        };
    }

    private Optional<ObjectNode> call(int index, ObjectNode call, ObjectNode function) {
        ObjectNode delta = Json.object();
        if (this == FUNCTION_CALL) {
            delta.set("function_call", function);
            return index == 0 ? Optional.of(delta) : Optional.empty();
        }
        call.set("function", function);
        delta.putArray("tool_calls").add(call);
        return Optional.of(delta);
    }

    /// Adds the end of a choice.
    void putFinish(ObjectNode choice, Finish finish) {
        ResponseFormat.putFinish(choice, finish);
        if (this == FUNCTION_CALL && finish.reason() == Finish.Reason.TOOL_CALLS) {
            choice.put("finish_reason", "function_call");
        }
    }

    private static ObjectNode function(String name, String arguments) {
        return Json.object().put("name", name).put(ARGUMENTS, arguments);
    }

    /// Adds reasoning under both names that clients read.
    private static ObjectNode putReasoning(ObjectNode message, String text) {
        return message.put("reasoning_content", text).put("reasoning", text);
    }
}
