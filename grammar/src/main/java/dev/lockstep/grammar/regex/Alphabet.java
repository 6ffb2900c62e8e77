// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

import dev.lockstep.grammar.Regex;

/// How one code point is spelled in bytes.
///
/// No spelling of a code point is the beginning of another spelling, so a text is cut into code
/// points in one way, and what holds for languages of code points holds for their spellings.
public interface Alphabet {
    /// UTF-8.
    Alphabet UTF_8 = set -> set.isEmpty() ? Language.NOTHING : Regex.characters(set.toRanges());

    /// All spellings of one code point of the set.
    Regex of(CodePoints set);
}
