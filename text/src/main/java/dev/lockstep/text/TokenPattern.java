package dev.lockstep.text;

/// Finds words in text: what a regular expression of a tokenizer file says, mostly written out by
/// hand.
///
/// Written out because those expressions backtrack: a long run of white space or of one letter
/// makes a general engine quadratic. Every pattern here is linear in the piece; [RegexPattern], for
/// the unknown ones, is bounded.
interface TokenPattern {
    /// Appends the non-overlapping matches in `[from, to)` to `matches` as start and end,
    /// ascending; the piece's ends are the text's ends to the pattern.
    void find(char[] text, int from, int to, IntList matches);
}
