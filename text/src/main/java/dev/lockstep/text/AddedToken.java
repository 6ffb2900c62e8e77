// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// A token that is matched literally in the text, before the model runs.
///
/// @param singleWord matches only where no word character is adjacent
/// @param stripLeft the match includes the white space on its left
/// @param stripRight the match includes the white space on its right
/// @param normalized matched in the normalized text instead of the raw text
/// @param special marks structure: matched only where the caller allows it, omitted from plain text
record AddedToken(
        int id,
        String content,
        boolean singleWord,
        boolean stripLeft,
        boolean stripRight,
        boolean normalized,
        boolean special) {
    AddedToken {
        if (content.isEmpty()) {
            throw new IllegalArgumentException("added token " + id + " is empty");
        }
    }

    /// Returns a token that is matched in the raw text, without options.
    static AddedToken literal(int id, String content, boolean special) {
        return new AddedToken(id, content, false, false, false, false, special);
    }

    /// Reads the object of a token; options that it lacks have the defaults of the format.
    static AddedToken read(JsonPart part, int id) {
        boolean special = part.flag("special", false);
        return new AddedToken(
                id,
                part.require("content").text(),
                part.flag("single_word", false),
                part.flag("lstrip", false),
                part.flag("rstrip", false),
                part.flag("normalized", !special),
                special);
    }

    /// Returns the token as one that marks structure.
    AddedToken asSpecial() {
        return new AddedToken(id, content, singleWord, stripLeft, stripRight, normalized, true);
    }

    AddedToken withId(int other) {
        return new AddedToken(
                other, content, singleWord, stripLeft, stripRight, normalized, special);
    }

    AddedToken withContent(String other) {
        return new AddedToken(id, other, singleWord, stripLeft, stripRight, normalized, special);
    }
}
