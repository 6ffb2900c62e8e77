// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// A set of code points; immutable.
@FunctionalInterface
interface CharacterSet {
    boolean contains(int codePoint);

    static CharacterSet ofClasses(int classes) {
        return codePoint -> Characters.is(codePoint, classes);
    }

    /// Returns ASCII punctuation and Unicode's category P.
    static CharacterSet punctuation() {
        return codePoint ->
                Characters.isAsciiPunctuation(codePoint)
                        || Characters.is(codePoint, Characters.PUNCTUATION);
    }
}
