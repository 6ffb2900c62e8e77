package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.GeneratedToken;
import java.util.ArrayList;
import java.util.List;

/// What one choice has to show since the last time.
///
/// @param text whole characters
/// @param tokens in the order they were generated
record Delta(String text, List<Shown> tokens) {

    static final Delta NOTHING = new Delta("", List.of());

    /// A token that may be shown.
    ///
    /// @param offset where its text begins in the choice's text, in characters as Unicode counts
    /// @param inText false for a token behind the end that a stop string made: it was generated and
    ///   counts, but has no place in the text
    record Shown(GeneratedToken token, int offset, boolean inText) {}

    Delta {
        tokens = List.copyOf(tokens);
    }

    boolean isEmpty() {
        return text.isEmpty() && tokens.isEmpty();
    }

    Delta and(Delta next) {
        if (isEmpty()) {
            return next;
        }
        if (next.isEmpty()) {
            return this;
        }
        List<Shown> all = new ArrayList<>(tokens);
        all.addAll(next.tokens);
        return new Delta(text + next.text, all);
    }

    List<Integer> tokenIds() {
        return tokens.stream().map(shown -> shown.token().id()).toList();
    }

    /// The tokens that stand in the text.
    List<Shown> inText() {
        return tokens.stream().filter(Shown::inText).toList();
    }
}
