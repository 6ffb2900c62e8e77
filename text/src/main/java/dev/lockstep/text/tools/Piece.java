// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.List;

/// A part of what stands before the arguments of a call.
public sealed interface Piece {
    record Text(String text) implements Piece {
        public Text {
            if (text.isEmpty()) {
                throw new IllegalArgumentException("an empty piece");
            }
        }
    }

    /// One of several texts.
    ///
    /// @param texts the first is what a grammar makes
    record Either(List<String> texts) implements Piece {
        public Either {
            texts = List.copyOf(texts);
            if (texts.isEmpty() || texts.stream().anyMatch(String::isBlank)) {
                throw new IllegalArgumentException("a choice of texts of which one is blank");
            }
        }
    }

    record Name() implements Piece {}

    /// The id of the call, as the conversation names it.
    record Id() implements Piece {}

    /// The number of the call, which templates count from 0.
    record Index() implements Piece {}
}
