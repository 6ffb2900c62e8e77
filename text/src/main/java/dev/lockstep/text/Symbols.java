// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.Arrays;

/// The single-character tokens that byte pair encoding starts from; immutable once built.
final class Symbols {
    private final int[] idOfCharacter;
    private final Vocabulary vocabulary;
    private final String continuingPrefix;
    private final String endOfWord;

    /// Creates the symbols of a vocabulary.
    ///
    /// @param continuingPrefix the prefix of a character inside a word (`##`), or empty
    /// @param endOfWord the suffix of the last character of a word (`</w>`), or empty
    Symbols(Vocabulary vocabulary, String continuingPrefix, String endOfWord) {
        this.vocabulary = vocabulary;
        this.continuingPrefix = continuingPrefix;
        this.endOfWord = endOfWord;
        int highest = 0;
        for (int id = 0; id < vocabulary.size(); id++) {
            highest = Math.max(highest, singleCharacter(vocabulary.piece(id)));
        }
        idOfCharacter = new int[highest + 1];
        Arrays.fill(idOfCharacter, Vocabulary.NONE);
        for (int id = 0; id < vocabulary.size(); id++) {
            int codePoint = singleCharacter(vocabulary.piece(id));
            if (codePoint >= 0) {
                idOfCharacter[codePoint] = vocabulary.characterId(vocabulary.piece(id));
            }
        }
    }

    /// Fills `word` with a symbol per code point and returns their number; a code point that is not
    /// a token becomes `~codePoint`.
    int split(char[] text, int from, int to, int[] word) {
        int count = 0;
        for (int i = from; i < to; ) {
            int codePoint = Characters.codePoint(text, i, to);
            int next = i + Character.charCount(codePoint);
            word[count++] = symbol(codePoint, i == from, next == to);
            i = next;
        }
        return count;
    }

    /// Returns the symbol of a character in a word without affixes.
    int symbol(int codePoint) {
        int id = codePoint < idOfCharacter.length ? idOfCharacter[codePoint] : Vocabulary.NONE;
        return id == Vocabulary.NONE ? ~codePoint : id;
    }

    /// Returns the piece of a character, with the affixes of its place in the word.
    String piece(int codePoint, boolean first, boolean last) {
        return (first ? "" : continuingPrefix)
                + Character.toString(codePoint)
                + (last ? endOfWord : "");
    }

    private int symbol(int codePoint, boolean first, boolean last) {
        boolean plain = (first || continuingPrefix.isEmpty()) && (!last || endOfWord.isEmpty());
        if (plain) {
            return symbol(codePoint);
        }
        int id = vocabulary.textId(piece(codePoint, first, last));
        return id == Vocabulary.NONE ? ~codePoint : id;
    }

    private static int singleCharacter(String piece) {
        return !piece.isEmpty() && piece.codePointCount(0, piece.length()) == 1
                ? piece.codePointAt(0)
                : -1;
    }
}
