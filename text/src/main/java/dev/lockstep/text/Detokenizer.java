package dev.lockstep.text;

/// Turns one sequence of token ids into text as they come, never half a character; belongs to one
/// request.
///
/// However the ids are dealt out over calls, what comes back adds up to [Tokenizer#decode] of them
/// all.
public final class Detokenizer {
    /// Where the ids begin: at the start of a text, whose leading space may be the encoder's, or
    /// within one.
    public enum Start {
        TEXT,
        CONTINUATION
    }

    private final Tokenizer tokenizer;
    private final boolean skipSpecial;
    private final Utf8Stream utf8 = new Utf8Stream();
    private boolean mayStripSpace;

    public Detokenizer(Tokenizer tokenizer, boolean skipSpecial, Start start) {
        this.tokenizer = tokenizer;
        this.skipSpecial = skipSpecial;
        this.mayStripSpace = start == Start.TEXT && tokenizer.decoding().stripsLeadingSpace();
    }

    /// The characters that this id completes; often none.
    public String push(int id) {
        StringBuilder text = new StringBuilder();
        push(id, text);
        return text.toString();
    }

    /// Ends the text: a character that is not whole becomes U+FFFD.
    public String finish() {
        StringBuilder text = new StringBuilder(1);
        utf8.finish(text);
        return text.toString();
    }

    void push(int id, StringBuilder text) {
        if (tokenizer.special(id) && skipSpecial) {
            return;
        }
        TokenBytes bytes = tokenizer.decoding().bytes();
        int from = bytes.start(id);
        int to = bytes.end(id);
        if (mayStripSpace && from < to) {
            mayStripSpace = false;
            from += bytes.at(from) == ' ' ? 1 : 0;
        }
        for (int i = from; i < to; i++) {
            utf8.push(bytes.at(i), text);
        }
    }
}
