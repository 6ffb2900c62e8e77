// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A whole answer, taken apart.
public record Answer(String content, String reasoning, List<Call> calls) {
    private static final ObjectMapper JSON = new ObjectMapper();

    public Answer {
        calls = List.copyOf(calls);
    }

    /// A call of an answer.
    ///
    /// @param arguments JSON text
    public record Call(Optional<String> id, String name, String arguments) {}

    /// Takes a whole text apart.
    ///
    /// @param functions the schemas of the parameters by the functions' names
    /// @param prompt what the text continues
    public static Answer whole(
            AnswerFormat format, Map<String, JsonNode> functions, String prompt, String text) {
        ToolCallParser parser = format.parser(functions, false, prompt);
        List<AnswerEvent> events = new ArrayList<>(parser.accept(text));
        events.addAll(parser.finish());
        return of(events);
    }

    /// Joins the events of an answer.
    public static Answer of(List<AnswerEvent> events) {
        var content = new StringBuilder();
        var reasoning = new StringBuilder();
        List<AnswerEvent.CallStart> starts = new ArrayList<>();
        List<StringBuilder> arguments = new ArrayList<>();
        for (AnswerEvent event : events) {
            switch (event) {
                case AnswerEvent.Content(String text) -> content.append(text);
                case AnswerEvent.Reasoning(String text) -> reasoning.append(text);
                case AnswerEvent.CallStart start -> {
                    starts.add(start);
                    arguments.add(new StringBuilder());
                }
                case AnswerEvent.Arguments(int index, String text) ->
                        arguments.get(index).append(text);
                case AnswerEvent.CallEnd _ -> {
                    // the call is complete
                }
            }
        }
        List<Call> calls = new ArrayList<>();
        for (int i = 0; i < starts.size(); i++) {
            calls.add(
                    new Call(
                            starts.get(i).id(), starts.get(i).name(), arguments.get(i).toString()));
        }
        return new Answer(content.toString(), reasoning.toString(), calls);
    }

    /// Returns whether the calls are these.
    boolean matches(List<TrialCall> expected) {
        if (calls.size() != expected.size()) {
            return false;
        }
        for (int i = 0; i < calls.size(); i++) {
            if (!calls.get(i).name().equals(expected.get(i).name())
                    || !json(calls.get(i).arguments()).equals(expected.get(i).json())) {
                return false;
            }
        }
        return true;
    }

    private static JsonNode json(String arguments) {
        try {
            return JSON.readTree(arguments);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a call's arguments are not JSON: " + arguments, e);
        }
    }
}
