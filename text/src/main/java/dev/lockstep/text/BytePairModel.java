package dev.lockstep.text;

import java.nio.charset.StandardCharsets;

/// Byte pair encoding: characters merged by rank; byte-level vocabularies and SentencePiece's
/// alike.
///
/// A character that is no token becomes its bytes, if the vocabulary has byte tokens, else the
/// unknown token, else nothing.
final class BytePairModel implements TokenModel {
    private final Symbols symbols;
    private final BytePairMerger merger;
    private final Rules rules;
    private final Vocabulary vocabulary;
    private final int[] byteIds;
    private final WordCache cache = new WordCache();

    /// How a file's model differs from the plain one.
    ///
    /// @param wholeWordsFirst a word that is a token is that token, whatever the merges say
    ///   (`ignore_merges`)
    /// @param byteFallback characters that are no token become byte tokens
    /// @param unknown the token for characters that even bytes cannot say, or [Vocabulary#NONE]
    /// @param fuseUnknown neighbouring unknown characters share one unknown token
    /// @param wordStart a character that tokens have only at their front, so that a long text may
    ///   be cut before it, or [Vocabulary#NONE]
    record Rules(
            boolean wholeWordsFirst,
            boolean byteFallback,
            int unknown,
            boolean fuseUnknown,
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
        int count = merger.merge(word, symbols.split(text, from, to, word));
        IntList ids = new IntList(count);
        boolean afterUnknown = false;
        for (int i = 0; i < count; i++) {
            boolean unknown = false;
            if (word[i] >= 0) {
                ids.add(word[i]);
            } else if (!addBytes(~word[i], ids) && rules.unknown != Vocabulary.NONE) {
                unknown = true;
                if (!(afterUnknown && rules.fuseUnknown)) {
                    ids.add(rules.unknown);
                }
            }
            afterUnknown = unknown;
        }
        return ids.toArray();
    }

    private boolean addBytes(int codePoint, IntList ids) {
        if (!rules.byteFallback) {
            return false;
        }
        byte[] bytes = Character.toString(codePoint).getBytes(StandardCharsets.UTF_8);
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
