// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import dev.lockstep.text.tools.AnswerEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Where the text of one item was cut into the pieces of a stream: the length of each piece, and in
/// a message after each length the number of its log-probabilities. With the item it gives the
/// steps that wrote it, in a fraction of the size of the events.
final class ResponseCuts {
    private final JsonNode item;
    private final int call;

    /// @param call counts the calls before this item
    private ResponseCuts(JsonNode item, int call) {
        this.item = item;
        this.call = call;
    }

    /// Returns the steps that wrote the items.
    ///
    /// @param cuts of each item; an item without is one piece
    static List<ResponseStep> steps(JsonNode items, JsonNode cuts) {
        List<ResponseStep> steps = new ArrayList<>();
        int calls = 0;
        for (int i = 0; i < items.size(); i++) {
            JsonNode item = items.get(i);
            boolean call = item.path("type").asText().equals(ResponseItems.CALL);
            new ResponseCuts(item, calls).addTo(steps, cuts.path(i));
            calls += call ? 1 : 0;
        }
        return steps;
    }

    private void addTo(List<ResponseStep> steps, JsonNode cuts) {
        switch (item.path("type").asText()) {
            case ResponseItems.CALL -> {
                steps.add(
                        part(
                                new AnswerEvent.CallStart(
                                        call,
                                        Optional.of(item.path("call_id").asText()),
                                        item.path("name").asText())));
                for (String piece : pieces(item.path("arguments").asText(), cuts, 1)) {
                    steps.add(part(new AnswerEvent.Arguments(call, piece)));
                }
                if (item.path("status").asText().equals("completed")) {
                    steps.add(part(new AnswerEvent.CallEnd(call)));
                }
            }
            case ResponseItems.REASONING -> {
                for (String piece : pieces(text(), cuts, 1)) {
                    steps.add(part(new AnswerEvent.Reasoning(piece)));
                }
            }
            default -> addText(steps, cuts);
        }
    }

    private void addText(List<ResponseStep> steps, JsonNode cuts) {
        JsonNode logprobs = item.at("/content/0/logprobs");
        List<String> pieces = pieces(text(), cuts, 2);
        int taken = 0;
        for (int i = 0; i < pieces.size(); i++) {
            int count = cuts.isArray() ? cuts.path(2 * i + 1).asInt() : logprobs.size();
            ArrayNode own = Json.array();
            for (int end = Math.min(taken + count, logprobs.size()); taken < end; taken++) {
                own.add(logprobs.get(taken));
            }
            steps.add(new ResponseStep.Part(own, List.of(new AnswerEvent.Content(pieces.get(i)))));
        }
    }

    private String text() {
        return item.at("/content/0/text").asText();
    }

    private static ResponseStep part(AnswerEvent event) {
        return new ResponseStep.Part(Json.array(), List.of(event));
    }

    /// Cuts a text into its pieces.
    ///
    /// @param width the numbers of each piece, of which the first is its length
    private static List<String> pieces(String text, JsonNode cuts, int width) {
        List<String> pieces = new ArrayList<>();
        int begin = 0;
        for (int i = 0; i < cuts.size(); i += width) {
            int end = Math.clamp(begin + (long) cuts.get(i).asInt(), begin, text.length());
            pieces.add(text.substring(begin, end));
            begin = end;
        }
        if (begin < text.length()) {
            pieces.add(text.substring(begin));
        }
        return pieces;
    }
}
