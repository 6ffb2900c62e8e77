// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.text.tools.AnswerEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/// The new parts and tokens of one choice.
///
/// @param events whole characters, in the order in which the model wrote them; a call has an id.
///   Text that is not taken apart is content
/// @param tokens in the order of generation; the events may lag behind them
/// @param reasoningTokens how many of the tokens wrote reasoning
record Delta(List<AnswerEvent> events, List<Shown> tokens, int reasoningTokens) {

    static final Delta EMPTY = new Delta("", List.of());

    /// A token that may be sent to the client.
    ///
    /// @param offset where its text begins in the choice's text, in Unicode code points
    /// @param inText false for a token after the end that a stop string made: it was generated and
    ///   counts, but is not part of the text
    record Shown(GeneratedToken token, int offset, boolean inText) {}

    Delta {
        events = List.copyOf(events);
        tokens = List.copyOf(tokens);
    }

    /// Creates a delta of text that is not taken apart.
    Delta(String text, List<Shown> tokens) {
        this(text.isEmpty() ? List.of() : List.of(new AnswerEvent.Content(text)), tokens, 0);
    }

    boolean isEmpty() {
        return events.isEmpty() && tokens.isEmpty();
    }

    /// Returns the content.
    String text() {
        return events.stream()
                .map(event -> event instanceof AnswerEvent.Content(String text) ? text : "")
                .collect(Collectors.joining());
    }

    Delta and(Delta next) {
        if (isEmpty()) {
            return next;
        }
        if (next.isEmpty()) {
            return this;
        }
        List<AnswerEvent> both = new ArrayList<>(events);
        next.events.forEach(event -> append(both, event));
        List<Shown> all = new ArrayList<>(tokens);
        all.addAll(next.tokens);
        return new Delta(both, all, reasoningTokens + next.reasoningTokens);
    }

    /// Appends an event to a list, to the last one if it goes on.
    static void append(List<AnswerEvent> events, AnswerEvent event) {
        Optional<AnswerEvent> joined =
                events.isEmpty() ? Optional.empty() : joined(events.getLast(), event);
        if (joined.isPresent()) {
            events.removeLast();
        }
        events.add(joined.orElse(event));
    }

    /// Returns two events as one; empty if the second does not go on with the first.
    private static Optional<AnswerEvent> joined(AnswerEvent first, AnswerEvent second) {
        return switch (second) {
            case AnswerEvent.Content(String text)
                    when first instanceof AnswerEvent.Content(String before) ->
                    Optional.of(new AnswerEvent.Content(before + text));
            case AnswerEvent.Reasoning(String text)
                    when first instanceof AnswerEvent.Reasoning(String before) ->
                    Optional.of(new AnswerEvent.Reasoning(before + text));
            case AnswerEvent.Arguments(int index, String text)
                    when first instanceof AnswerEvent.Arguments(int _, String before) ->
                    Optional.of(new AnswerEvent.Arguments(index, before + text));
            case AnswerEvent.Content _,
                    AnswerEvent.Reasoning _,
                    AnswerEvent.CallStart _,
                    AnswerEvent.Arguments _,
                    AnswerEvent.CallEnd _ ->
                    Optional.empty();
        };
    }

    List<Integer> tokenIds() {
        return tokens.stream().map(shown -> shown.token().id()).toList();
    }

    /// Returns the tokens that are part of the text.
    List<Shown> inText() {
        return tokens.stream().filter(Shown::inText).toList();
    }
}
