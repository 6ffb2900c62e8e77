// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;

/// The messages of a chat that items stand for. Reasoning, text and calls of one turn of the
/// assistant are items of their own and one message.
final class ItemMessages {
    private static final String CALLS = "tool_calls";
    private static final String REASONING = "reasoning_content";

    private final ArrayNode messages;
    private final List<Place> places = new ArrayList<>();

    /// Where the parts of a message come from, for errors.
    ///
    /// @param calls of each call
    private record Place(String message, List<String> calls) {}

    ItemMessages(ObjectNode chat) {
        this.messages = chat.putArray("messages");
    }

    /// Adds the instructions of a request.
    void addInstructions(String text) {
        messages.addObject().put("role", "system").put("content", text);
        places.add(new Place("instructions", List.of()));
    }

    /// Adds the items of earlier responses, in the form of [ResponseItems].
    ///
    /// @param omitted the number of those that are left out
    void addEarlier(ArrayNode items, int omitted) {
        for (int i = omitted; i < items.size(); i++) {
            add(items.get(i), "previous_response_id");
        }
    }

    /// Adds the items of a request, in the form of [ResponseItems].
    ///
    /// @param omitted the number of those that are left out
    void addInput(List<ObjectNode> items, int omitted) {
        for (int i = omitted; i < items.size(); i++) {
            add(items.get(i), "input[" + i + "]");
        }
    }

    private void add(JsonNode item, String place) {
        switch (item.path("type").asText()) {
            case ResponseItems.MESSAGE -> message(item, place);
            case ResponseItems.CALL -> call(item, place);
            case ResponseItems.CALL_OUTPUT -> {
                ObjectNode message = next("tool", place);
                message.set("tool_call_id", item.get("call_id"));
                message.set("content", item.get("output"));
                if (item.has("name")) {
                    message.set("name", item.get("name"));
                }
            }
            case ResponseItems.REASONING -> {
                String text =
                        text(item.path(item.path("content").isEmpty() ? "summary" : "content"));
                if (!text.isEmpty()) {
                    next(ResponseItems.ASSISTANT, place).put("content", "").put(REASONING, text);
                }
            }
            default -> throw new IllegalStateException("a stored item of another type");
        }
    }

    private void message(JsonNode item, String place) {
        String role = item.path("role").asText();
        String text = text(item.path("content"));
        ObjectNode turn = last();
        boolean continues =
                role.equals(ResponseItems.ASSISTANT)
                        && turn.has(REASONING)
                        && turn.path("content").asText().isEmpty()
                        && !turn.has(CALLS);
        (continues ? turn : next(role, place)).put("content", text);
    }

    private void call(JsonNode item, String place) {
        ObjectNode turn = last();
        if (!turn.path("role").asText().equals(ResponseItems.ASSISTANT)) {
            turn = next(ResponseItems.ASSISTANT, place).put("content", "");
        }
        ObjectNode call = turn.withArray(CALLS).addObject();
        call.set("id", item.get("call_id"));
        call.put("type", "function").putObject("function").setAll(function(item));
        places.getLast().calls().add(place);
    }

    private static ObjectNode function(JsonNode item) {
        ObjectNode function = Json.object();
        function.set("name", item.get("name"));
        function.set("arguments", item.get("arguments"));
        return function;
    }

    private ObjectNode last() {
        return messages.isEmpty() ? Json.object() : (ObjectNode) messages.get(messages.size() - 1);
    }

    private ObjectNode next(String role, String place) {
        places.add(new Place(place, new ArrayList<>()));
        return messages.addObject().put("role", role);
    }

    private static String text(JsonNode parts) {
        var text = new StringBuilder();
        parts.forEach(part -> text.append(part.path("text").asText()));
        return text.toString();
    }

    /// Returns the field that a message comes from, or one of its calls.
    ///
    /// @param call its index, or negative for the message
    String place(int message, int call) {
        if (message >= places.size()) {
            return "input";
        }
        Place place = places.get(message);
        return call >= 0 && call < place.calls().size() ? place.calls().get(call) : place.message();
    }
}
