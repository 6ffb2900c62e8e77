// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// A text and the spans `[start, end)` of its current words, ascending; text between spans is
/// dropped.
///
/// Each pre-tokenizer converts one `Pieces` to the next; belongs to one thread.
final class Pieces {
    private final char[] text;
    private final boolean startsInput;
    private final IntList spans;

    Pieces(char[] text, boolean startsInput, int expectedSpans) {
        this(text, startsInput, new IntList(2 * expectedSpans));
    }

    private Pieces(char[] text, boolean startsInput, IntList spans) {
        this.text = text;
        this.startsInput = startsInput;
        this.spans = spans;
    }

    /// Returns all of `text` as one piece, or no piece if it is empty.
    static Pieces whole(char[] text, boolean startsInput) {
        var pieces = new Pieces(text, startsInput, 1);
        pieces.add(0, text.length);
        return pieces;
    }

    /// Adds a span unless it is empty.
    void add(int start, int end) {
        if (start < end) {
            spans.add(start);
            spans.add(end);
        }
    }

    /// Returns the same spans over another text.
    Pieces withText(char[] other) {
        return new Pieces(other, startsInput, spans);
    }

    char[] text() {
        return text;
    }

    /// Returns whether the text begins at the start of the encoded input, not after an added token.
    boolean startsInput() {
        return startsInput;
    }

    int count() {
        return spans.size() / 2;
    }

    int start(int piece) {
        return spans.at(2 * piece);
    }

    int end(int piece) {
        return spans.at(2 * piece + 1);
    }
}
