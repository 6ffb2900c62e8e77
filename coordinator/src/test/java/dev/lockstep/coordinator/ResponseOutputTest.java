// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.text.tools.AnswerEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Tests of the items and events that the parts of an answer become; every event is compared with
/// OpenAI's description.
final class ResponseOutputTest {
    private final List<ObjectNode> events = new ArrayList<>();
    private final ResponseOutput output =
            new ResponseOutput("resp_" + "0".repeat(32), false, this::add);

    private void add(ObjectNode event) {
        ObjectNode numbered = event.deepCopy().put("sequence_number", events.size());
        OpenAiDescription.checkEvent("/v1/responses", numbered);
        events.add(numbered);
    }

    private List<String> types() {
        return events.stream()
                .map(event -> event.path("type").asText().substring("response.".length()))
                .toList();
    }

    @Test
    void reasoningTextAndCallsAreItemsOfTheirOwn() {
        output.accept(new AnswerEvent.Reasoning("Let me "));
        output.accept(new AnswerEvent.Reasoning("see."));
        output.accept(new AnswerEvent.Content("Look: "));
        output.accept(new AnswerEvent.CallStart(0, Optional.of("call_7"), "weather"));
        output.accept(new AnswerEvent.Arguments(0, "{\"city\":"));
        output.accept(new AnswerEvent.Arguments(0, "\"Oslo\"}"));
        output.accept(new AnswerEvent.CallEnd(0));
        output.accept(new AnswerEvent.CallStart(1, Optional.empty(), "time"));
        output.accept(new AnswerEvent.Arguments(1, "{}"));
        output.accept(new AnswerEvent.CallEnd(1));
        output.end(true);
        JsonNode items = output.items();
        assertEquals(
                List.of(
                        "output_item.added",
                        "content_part.added",
                        "reasoning_text.delta",
                        "reasoning_text.delta",
                        "reasoning_text.done",
                        "content_part.done",
                        "output_item.done",
                        "output_item.added",
                        "content_part.added",
                        "output_text.delta",
                        "output_text.done",
                        "content_part.done",
                        "output_item.done",
                        "output_item.added",
                        "function_call_arguments.delta",
                        "function_call_arguments.delta",
                        "function_call_arguments.done",
                        "output_item.done",
                        "output_item.added",
                        "function_call_arguments.delta",
                        "function_call_arguments.done",
                        "output_item.done"),
                types());
        assertEquals(4, items.size());
        assertEquals("Let me see.", items.at("/0/content/0/text").asText());
        assertEquals("Look: ", items.at("/1/content/0/text").asText());
        assertEquals("call_7", items.at("/2/call_id").asText());
        assertEquals("weather", items.at("/2/name").asText());
        assertEquals("{\"city\":\"Oslo\"}", items.at("/2/arguments").asText());
        assertTrue(items.at("/3/call_id").asText().startsWith("call_"));
        for (int i = 0; i < items.size(); i++) {
            assertEquals("completed", items.at("/" + i + "/status").asText());
        }
        for (ObjectNode event : events) {
            int index = event.path("output_index").asInt();
            String item = items.path(index).path("id").asText();
            assertEquals(item, event.at(event.has("item") ? "/item/id" : "/item_id").asText());
        }
    }

    @Test
    void anAnswerThatIsCutOffInACallHasAnIncompleteItem() {
        output.accept(new AnswerEvent.CallStart(0, Optional.empty(), "weather"));
        output.accept(new AnswerEvent.Arguments(0, "{\"ci"));
        output.end(false);
        JsonNode items = output.items();
        assertEquals("incomplete", items.at("/0/status").asText());
        assertEquals("{\"ci", items.at("/0/arguments").asText());
    }

    @Test
    void anAnswerWithoutTextHasAMessage() {
        output.end(true);
        JsonNode items = output.items();
        assertEquals(1, items.size());
        assertEquals("", items.at("/0/content/0/text").asText());
        assertEquals("output_item.done", types().getLast());
    }

    @Test
    void logProbabilitiesBelongToTheTextThatFollows() {
        ObjectNode entry = Json.object().put("token", "a").put("logprob", -1);
        entry.putArray("bytes").add(97);
        entry.putArray("top_logprobs");
        output.addLogprobs(entry.deepCopy());
        output.accept(new AnswerEvent.Reasoning("Hm"));
        output.addLogprobs(entry.deepCopy());
        output.addLogprobs(entry.deepCopy());
        output.accept(new AnswerEvent.Content("aa"));
        output.addLogprobs(entry.deepCopy());
        output.end(true);
        JsonNode items = output.items();
        assertEquals(3, items.at("/1/content/0/logprobs").size());
        assertEquals(97, items.at("/1/content/0/logprobs/0/bytes/0").asInt());
    }
}
