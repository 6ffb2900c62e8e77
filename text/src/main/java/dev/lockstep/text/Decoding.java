// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.List;

/// The data for decoding ids to text; immutable.
///
/// @param inside the bytes that each token adds within a text
/// @param first the bytes of each token as the first of a text
/// @param joining the way in which the bytes of adjacent tokens become characters
/// @param runSteps changes to the characters that byte tokens or joined bytes form
/// @param leading the characters removed from the start of a text
record Decoding(
        TokenBytes inside,
        TokenBytes first,
        Joining joining,
        List<DecoderStep> runSteps,
        Leading leading) {
    /// The tokens whose bytes may form one character.
    enum Joining {
        /// All of them: the text is the lossy decoding of all bytes.
        ALL,
        /// Adjacent byte tokens; a run of them that is not UTF-8 becomes one U+FFFD per byte.
        BYTE_TOKENS
    }

    /// Up to `count` occurrences of a character.
    record Leading(String character, int count) {
        static final Leading NONE = new Leading(" ", 0);
        static final Leading SPACE = new Leading(" ", 1);
    }

    Decoding {
        runSteps = List.copyOf(runSteps);
    }

    /// Returns the decoding of a vocabulary whose tokens do not depend on their position.
    static Decoding of(TokenBytes bytes, Joining joining, Leading leading) {
        return new Decoding(bytes, bytes, joining, List.of(), leading);
    }

    /// Returns characters that bytes formed, after the steps for them.
    ///
    /// @param first whether they begin the text
    String changed(String characters, boolean first) {
        String result = characters;
        for (DecoderStep step : runSteps) {
            result = step.apply(result, first);
        }
        return result;
    }
}
