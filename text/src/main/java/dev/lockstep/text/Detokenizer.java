// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// An incremental decoder of token ids that never returns part of a character; belongs to one
/// request.
///
/// From [Start#TEXT], the results of all calls add up to [Tokenizer#decode] of all ids. There is
/// one exception: where byte tokens that are not UTF-8 follow others that spell whole characters,
/// those characters have been returned already, while `decode` replaces them too ([ByteRun]).
public final class Detokenizer {
    /// The position of the first id: at the start of a text, whose leading space may come from the
    /// encoder, or within a text.
    public enum Start {
        TEXT,
        CONTINUATION
    }

    private final Tokenizer tokenizer;
    private final boolean skipSpecial;
    private final Decoding decoding;
    private final Utf8Stream utf8 = new Utf8Stream();
    private final ByteRun run;
    private boolean startsText;
    private boolean runStartsText;
    private int leading;

    public Detokenizer(Tokenizer tokenizer, boolean skipSpecial, Start start) {
        this(tokenizer, skipSpecial, start, false);
    }

    private Detokenizer(Tokenizer tokenizer, boolean skipSpecial, Start start, boolean whole) {
        this.tokenizer = tokenizer;
        this.skipSpecial = skipSpecial;
        this.decoding = tokenizer.decoding();
        this.run = new ByteRun(whole);
        this.startsText = start == Start.TEXT;
        this.leading = startsText ? decoding.leading().count() : 0;
    }

    /// Returns a decoder whose results add up to the library's decoding, without the exception
    /// above.
    static Detokenizer ofWholeText(Tokenizer tokenizer, boolean skipSpecial) {
        return new Detokenizer(tokenizer, skipSpecial, Start.TEXT, true);
    }

    /// Returns the characters that this id completes, often none.
    public String push(int id) {
        var text = new StringBuilder();
        push(id, text);
        return text.toString();
    }

    /// Returns the number of U+FFFD with which the id's text begins that stand for bytes of earlier
    /// ids: for an incomplete character that the id does not complete.
    public int brokenCharacters(int id) {
        if (tokenizer.isHole(id) || (skipSpecial && tokenizer.special(id))) {
            return 0;
        }
        TokenBytes bytes = startsText ? decoding.first() : decoding.inside();
        int from = bytes.start(id);
        if (decoding.joining() == Decoding.Joining.ALL) {
            return from < bytes.end(id) && utf8.isBrokenBy(bytes.at(from)) ? 1 : 0;
        }
        return bytes.isByteToken(id) ? run.brokenBy(bytes.at(from)) : run.unfinished();
    }

    /// Ends the text and returns U+FFFD for an incomplete character.
    public String finish() {
        var text = new StringBuilder();
        utf8.finish(text);
        change(text, 0);
        finishRun(text);
        strip(text, 0);
        return text.toString();
    }

    void push(int id, StringBuilder text) {
        if (tokenizer.isHole(id) || (skipSpecial && tokenizer.special(id))) {
            return;
        }
        int from = text.length();
        TokenBytes bytes = startsText ? decoding.first() : decoding.inside();
        if (decoding.joining() == Decoding.Joining.ALL) {
            for (int i = bytes.start(id); i < bytes.end(id); i++) {
                utf8.push(bytes.at(i), text);
            }
            change(text, from);
        } else if (bytes.isByteToken(id)) {
            runStartsText |= startsText;
            text.append(changed(run.push(bytes.at(bytes.start(id)))));
        } else {
            finishRun(text);
            text.append(bytes.text(id));
        }
        startsText = false;
        strip(text, from);
    }

    private void finishRun(StringBuilder text) {
        if (!run.isEmpty()) {
            text.append(changed(run.finish()));
            runStartsText = false;
        }
    }

    private String changed(String part) {
        return decoding.changed(part, runStartsText);
    }

    /// Applies the steps that follow the joining of all bytes to the text from `from` on.
    private void change(StringBuilder text, int from) {
        if (!decoding.runSteps().isEmpty()) {
            String changed = decoding.changed(text.substring(from), true);
            text.setLength(from);
            text.append(changed);
        }
    }

    private void strip(StringBuilder text, int from) {
        String character = decoding.leading().character();
        while (leading > 0 && from < text.length()) {
            if (!text.substring(from).startsWith(character)) {
                leading = 0;
                return;
            }
            text.delete(from, from + character.length());
            leading--;
        }
    }
}
