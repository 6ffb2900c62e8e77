// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// An incremental decoder of token ids that never returns part of a character; belongs to one
/// request.
///
/// From [Start#TEXT], the results of all calls add up to [Tokenizer#decode] of all ids.
public final class Detokenizer {
    /// The position of the first id: at the start of a text, whose leading space may come from the
    /// encoder, or within a text.
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

    /// Returns the characters that this id completes, often none.
    public String push(int id) {
        var text = new StringBuilder();
        push(id, text);
        return text.toString();
    }

    /// Returns whether the id's text begins with the U+FFFD of an incomplete character before it,
    /// which the id does not complete.
    public boolean breaksCharacter(int id) {
        if (tokenizer.special(id) && skipSpecial) {
            return false;
        }
        TokenBytes bytes = tokenizer.decoding().bytes();
        int from = bytes.start(id);
        return from < bytes.end(id) && utf8.isBrokenBy(bytes.at(from));
    }

    /// Ends the text and returns U+FFFD for an incomplete character.
    public String finish() {
        var text = new StringBuilder(1);
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
