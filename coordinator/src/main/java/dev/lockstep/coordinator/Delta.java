// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.GeneratedToken;
import java.util.ArrayList;
import java.util.List;

/// The new text and tokens of one choice.
///
/// @param text whole characters
/// @param tokens in the order of generation
record Delta(String text, List<Shown> tokens) {

    static final Delta EMPTY = new Delta("", List.of());

    /// A token that may be sent to the client.
    ///
    /// @param offset where its text begins in the choice's text, in Unicode code points
    /// @param inText false for a token after the end that a stop string made: it was generated and
    ///   counts, but is not part of the text
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

    /// Returns the tokens that are part of the text.
    List<Shown> inText() {
        return tokens.stream().filter(Shown::inText).toList();
    }
}
