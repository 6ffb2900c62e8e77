// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// A pattern that finds words in text: a regular expression of a tokenizer file, mostly implemented
/// by hand.
///
/// Those expressions backtrack: a long run of white space or of one letter makes a general engine
/// quadratic. Every pattern here is linear in the piece; [RegexPattern], for unknown expressions,
/// is bounded.
interface TokenPattern {
    /// Appends the non-overlapping matches in `[from, to)` to `matches` as ascending pairs of start
    /// and end; the pattern treats the ends of the piece as the ends of the text. A match may be
    /// empty.
    void find(char[] text, int from, int to, IntList matches);
}
