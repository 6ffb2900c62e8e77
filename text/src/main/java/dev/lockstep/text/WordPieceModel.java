// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// BERT's model: covers a word from the left with the longest tokens; a word that cannot be covered
/// becomes one unknown token.
///
/// Each position checks at most the length of the longest token: linear in the word.
final class WordPieceModel implements TokenModel {
    private final Vocabulary vocabulary;
    private final String startPrefix;
    private final String insidePrefix;
    private final int unknown;
    private final int maxWordLength;
    private final int longestToken;

    /// Creates a model.
    ///
    /// @param startPrefix the prefix of tokens at the start of a word, `▁` or empty
    /// @param insidePrefix the prefix of tokens inside a word, `##` or empty
    /// @param maxWordLength a word of more characters is unknown
    WordPieceModel(
            Vocabulary vocabulary,
            String startPrefix,
            String insidePrefix,
            int unknown,
            int maxWordLength) {
        this.vocabulary = vocabulary;
        this.startPrefix = startPrefix;
        this.insidePrefix = insidePrefix;
        this.unknown = unknown;
        this.maxWordLength = maxWordLength;
        int longest = 0;
        for (int id = 0; id < vocabulary.size(); id++) {
            longest = Math.max(longest, vocabulary.piece(id).length());
        }
        longestToken = longest;
    }

    @Override
    public void encode(char[] text, int from, int to, IntList ids) {
        var word = new String(text, from, to - from);
        var pieces = new IntList();
        if (word.codePointCount(0, word.length()) > maxWordLength || !cover(word, pieces)) {
            if (unknown != Vocabulary.NONE) {
                ids.add(unknown);
            }
            return;
        }
        ids.addAll(pieces.toArray());
    }

    private boolean cover(String word, IntList pieces) {
        int start = 0;
        while (start < word.length()) {
            String prefix = start == 0 ? startPrefix : insidePrefix;
            int end = word.length();
            if (end - start > longestToken) {
                end =
                        word.offsetByCodePoints(
                                start, word.codePointCount(start, start + longestToken));
            }
            int id = Vocabulary.NONE;
            while (end > start && id == Vocabulary.NONE) {
                id = vocabulary.textId(prefix + word.substring(start, end));
                end = id == Vocabulary.NONE ? word.offsetByCodePoints(end, -1) : end;
            }
            if (id == Vocabulary.NONE) {
                return false;
            }
            pieces.add(id);
            start = end;
        }
        return true;
    }
}
