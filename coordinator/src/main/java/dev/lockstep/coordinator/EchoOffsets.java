// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.text.Detokenizer;
import java.util.Optional;

/// Finds where the tokens of an echoed prompt begin in its text.
///
/// The text is what the client sent, or the text of the ids that it sent. In the former, tokens
/// that the tokenizer added have no place, and neither has a space that it put before a word.
final class EchoOffsets {
    private final ServedModel model;
    private final String text;

    /// The position after the tokens so far, in chars.
    private int at;

    private EchoOffsets(ServedModel model, String text) {
        this.model = model;
        this.text = text;
    }

    /// Returns the offset of each token, in code points.
    static int[] of(ServedModel model, PreparedRequest.Echo echo) {
        return new EchoOffsets(model, echo.text()).of(echo.ids());
    }

    private int[] of(int[] ids) {
        Optional<Detokenizer> detokenizer =
                model.tokenizer().map(each -> new Detokenizer(each, false, Detokenizer.Start.TEXT));
        int[] offsets = new int[ids.length];
        int offset = 0;
        for (int i = 0; i < ids.length; i++) {
            int id = ids[i];
            offsets[i] = offset;
            if (detokenizer.isEmpty() || !model.isText(id)) {
                continue;
            }
            offsets[i] += detokenizer.get().brokenCharacters(id);
            int before = at;
            advance(id, detokenizer.get().push(id));
            offset += text.codePointCount(before, at);
        }
        return offsets;
    }

    private void advance(int id, String piece) {
        if (text.startsWith(piece, at)) {
            at += piece.length();
        } else if (piece.startsWith(" ") && text.startsWith(piece.substring(1), at)) {
            at += piece.length() - 1;
        } else if (!model.isSpecial(id)) {
            // The tokenizer changed the text, so its length is an estimate.
            at = Math.min(at + piece.length(), text.length());
        }
    }
}
