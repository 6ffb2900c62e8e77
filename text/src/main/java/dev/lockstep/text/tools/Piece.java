// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

/// A part of what stands before the arguments of a call.
public sealed interface Piece {
    record Text(String text) implements Piece {
        public Text {
            if (text.isEmpty()) {
                throw new IllegalArgumentException("an empty piece");
            }
        }
    }

    record Name() implements Piece {}

    /// The id of the call, as the conversation names it.
    record Id() implements Piece {}

    /// The number of the call, which templates count from 0.
    record Index() implements Piece {}
}
