// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.Arrays;
import java.util.List;

/// The common parts of SentencePiece vocabularies: `▁` for a space, and merges derived from scores.
final class SentencePiece {
    static final String SPACE = "▁";
    private static final int MAX_TOKEN_LENGTH = 512;

    private SentencePiece() {}

    /// Returns the merges of a byte pair vocabulary with scores: any two neighbours whose
    /// concatenation is a token, the highest score first.
    static MergeTable merges(Vocabulary vocabulary, Symbols symbols, List<Float> scores) {
        int[] ranks = ranks(scores);
        var merges = new MergeTable(vocabulary.size() * 2);
        for (int id = 0; id < vocabulary.size(); id++) {
            String piece = vocabulary.piece(id);
            if (vocabulary.textId(piece) != id) {
                continue;
            }
            requireLength(id, piece);
            for (int cut = 1; cut < piece.length(); cut++) {
                if (!Character.isLowSurrogate(piece.charAt(cut))) {
                    addMerge(piece, cut, id, ranks[id], vocabulary, symbols, merges);
                }
            }
        }
        return merges;
    }

    private static void addMerge(
            String piece,
            int cut,
            int id,
            int rank,
            Vocabulary vocabulary,
            Symbols symbols,
            MergeTable merges) {
        int left = symbol(piece.substring(0, cut), vocabulary, symbols);
        int right = symbol(piece.substring(cut), vocabulary, symbols);
        if (left != UNREACHABLE && right != UNREACHABLE) {
            merges.put(left, right, rank, id);
        }
    }

    private static final int UNREACHABLE = Integer.MIN_VALUE;

    private static int symbol(String text, Vocabulary vocabulary, Symbols symbols) {
        int first = text.codePointAt(0);
        if (Character.charCount(first) == text.length()) {
            return symbols.symbol(first);
        }
        int id = vocabulary.textId(text);
        return id == Vocabulary.NONE ? UNREACHABLE : id;
    }

    /// Returns `▁` if tokens contain it only at their start, so that text may be split in front of
    /// it; otherwise [Vocabulary#NONE].
    static int wordStart(Vocabulary vocabulary) {
        char space = SPACE.charAt(0);
        if (vocabulary.textId(SPACE) == Vocabulary.NONE) {
            return Vocabulary.NONE;
        }
        for (int id = 0; id < vocabulary.size(); id++) {
            String piece = vocabulary.piece(id);
            for (int i = 1; i < piece.length() && vocabulary.textId(piece) == id; i++) {
                if (piece.charAt(i) == space && piece.charAt(i - 1) != space) {
                    return Vocabulary.NONE;
                }
            }
        }
        return space;
    }

    /// Returns the rank of each score; equal scores share a rank, and the highest score has rank 0.
    private static int[] ranks(List<Float> scores) {
        float[] ascending = new float[scores.size()];
        for (int i = 0; i < ascending.length; i++) {
            ascending[i] = scores.get(i);
        }
        Arrays.sort(ascending);
        int[] ranks = new int[ascending.length];
        int[] rankAt = new int[ascending.length];
        for (int i = ascending.length - 2; i >= 0; i--) {
            rankAt[i] = rankAt[i + 1] + (ascending[i] < ascending[i + 1] ? 1 : 0);
        }
        for (int id = 0; id < ranks.length; id++) {
            ranks[id] = rankAt[Arrays.binarySearch(ascending, scores.get(id))];
        }
        return ranks;
    }

    private static void requireLength(int id, String piece) {
        if (piece.length() > MAX_TOKEN_LENGTH) {
            throw new IllegalArgumentException(
                    "token "
                            + id
                            + " has "
                            + piece.length()
                            + " characters; at most "
                            + MAX_TOKEN_LENGTH
                            + " are supported in a SentencePiece vocabulary");
        }
    }

    /// Writes spaces as `▁`: with `prefix` adds one before the first word, with `merged` writes
    /// exactly one before every word and none elsewhere.
    static String withSpaces(String text, boolean prefix, boolean merged) {
        var result = new StringBuilder(text.length() + 1);
        boolean inWord = false;
        boolean prefixed = !prefix;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c != ' ') {
                if (!inWord && (merged || !prefixed)) {
                    result.append(SPACE);
                    prefixed = true;
                }
                result.append(c);
            } else if (!merged) {
                result.append(SPACE);
            }
            inWord = c != ' ';
        }
        return result.toString();
    }
}
