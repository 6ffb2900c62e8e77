package dev.lockstep.text;

/// A token that is recognised literally in text, before the model sees it.
///
/// @param singleWord only where no word character touches it
/// @param stripLeft it swallows the white space before it
/// @param stripRight it swallows the white space after it
/// @param normalized it is looked for in the normalized text, not in the text as given
/// @param special it marks structure: recognised only where the caller allows it, left out of plain
///   text
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

    /// One that is matched as it stands.
    static AddedToken literal(int id, String content, boolean special) {
        return new AddedToken(id, content, false, false, false, false, special);
    }

    AddedToken withContent(String other) {
        return new AddedToken(id, other, singleWord, stripLeft, stripRight, normalized, special);
    }
}
