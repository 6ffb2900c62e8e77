package dev.lockstep.text;

/// Text and the spans `[start, end)` of it that are words so far, ascending; what lies between
/// spans is dropped.
///
/// Each pre-tokenizer turns one `Pieces` into the next; belongs to one thread.
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

    /// All of `text` as one piece; none when it is empty.
    static Pieces whole(char[] text, boolean startsInput) {
        Pieces pieces = new Pieces(text, startsInput, 1);
        pieces.add(0, text.length);
        return pieces;
    }

    /// An empty span adds nothing.
    void add(int start, int end) {
        if (start < end) {
            spans.add(start);
            spans.add(end);
        }
    }

    /// The same spans over other text.
    Pieces withText(char[] other) {
        return new Pieces(other, startsInput, spans);
    }

    char[] text() {
        return text;
    }

    /// Whether the text begins where the encoded input begins, and not after an added token.
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
