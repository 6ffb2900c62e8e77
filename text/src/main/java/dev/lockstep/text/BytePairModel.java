// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// Byte pair encoding: merges characters by rank, for byte-level and SentencePiece vocabularies.
///
/// A character that is not a token becomes its byte tokens if the vocabulary has them, otherwise
/// the unknown token, otherwise nothing: before the merges, so that its neighbours may merge, or
/// after them.
final class BytePairModel implements TokenModel {
    private final Symbols symbols;
    private final BytePairMerger merger;
    private final Rules rules;
    private final Vocabulary vocabulary;
    private final int[] byteIds;
    private final WordCache cache = new WordCache();

    /// The options in which a file's model differs from plain byte pair encoding.
    ///
    /// @param wholeWordsFirst a word that is a token becomes that token without merging
    ///   (`ignore_merges`)
    /// @param byteFallback characters that are not tokens become byte tokens
    /// @param unknown the token for characters that byte tokens cannot represent, or
    ///   [Vocabulary#NONE]
    /// @param fuseUnknown adjacent unknown characters share one unknown token
    /// @param mergesUnknown characters that are not tokens take part in the merges, as GGUF files
    ///   want it
    /// @param wordStart a character that tokens contain only at their start, so that a long text
    ///   may be split in front of it, or [Vocabulary#NONE]
    record Rules(
            boolean wholeWordsFirst,
            boolean byteFallback,
            int unknown,
            boolean fuseUnknown,
            boolean mergesUnknown,
            int wordStart) {}

    BytePairModel(Vocabulary vocabulary, Symbols symbols, MergeTable merges, Rules rules) {
        this.vocabulary = vocabulary;
        this.symbols = symbols;
        this.merger = new BytePairMerger(merges);
        this.rules = rules;
        this.byteIds = vocabulary.byteIds();
    }

    @Override
    public void encode(char[] text, int from, int to, IntList ids) {
        if (rules.wordStart == Vocabulary.NONE) {
            encodeWord(text, from, to, ids);
            return;
        }
        int start = from;
        for (int i = from + 1; i < to; i++) {
            if (text[i] == rules.wordStart && text[i - 1] != rules.wordStart) {
                encodeWord(text, start, i, ids);
                start = i;
            }
        }
        encodeWord(text, start, to, ids);
    }

    private void encodeWord(char[] text, int from, int to, IntList ids) {
        int[] known = cache.find(text, from, to);
        if (known.length == 0) {
            known = merged(text, from, to);
            cache.put(text, from, to, known);
        }
        ids.addAll(known);
    }

    private int[] merged(char[] text, int from, int to) {
        if (rules.wholeWordsFirst) {
            int whole = vocabulary.textId(new String(text, from, to - from));
            if (whole != Vocabulary.NONE) {
                return new int[] {whole};
            }
        }
        int[] word = new int[to - from];
        int count = symbols.split(text, from, to, word);
        if (rules.mergesUnknown) {
            return spelled(word, merger.merge(word, count)).toArray();
        }
        int[] spelled = spelled(word, count).toArray();
        return Arrays.copyOf(spelled, merger.merge(spelled, spelled.length));
    }

    /// Returns the word with tokens for the characters that are none.
    ///
    /// An unknown token stands in front of the next known one, after byte tokens in between, as in
    /// the library that defines `tokenizer.json`.
    private IntList spelled(int[] word, int count) {
        var ids = new IntList(count);
        boolean pending = false;
        for (int i = 0; i < count; i++) {
            if (word[i] >= 0) {
                if (pending) {
                    ids.add(rules.unknown);
                }
                pending = false;
                ids.add(word[i]);
            } else if (!addBytes(symbols.piece(~word[i], i == 0, i == count - 1), ids)
                    && rules.unknown != Vocabulary.NONE) {
                if (pending && !rules.fuseUnknown) {
                    ids.add(rules.unknown);
                }
                pending = true;
            }
        }
        if (pending) {
            ids.add(rules.unknown);
        }
        return ids;
    }

    private boolean addBytes(String piece, IntList ids) {
        if (!rules.byteFallback) {
            return false;
        }
        byte[] bytes = piece.getBytes(StandardCharsets.UTF_8);
        for (byte b : bytes) {
            if (byteIds[b & 0xFF] == Vocabulary.NONE) {
                return false;
            }
        }
        for (byte b : bytes) {
            ids.add(byteIds[b & 0xFF]);
        }
        return true;
    }
}
