// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/// SentencePiece's unigram model: splits a word into the tokens with the highest total score.
///
/// A character that is not itself a token costs more than any token; adjacent ones become one
/// unknown token, or their bytes. From each position the search reads at most the length of the
/// longest token: linear in the word.
final class UnigramModel implements TokenModel {
    private static final double UNKNOWN_PENALTY = 10;
    private static final int ROOT = 0;

    private final LongIntMap edges = new LongIntMap(1 << 12);
    private final int[] idAtNode;
    private final double[] scores;
    private final double unknownScore;
    private final int unknown;
    private final boolean byteFallback;
    private final int[] byteIds;
    private final WordCache cache = new WordCache();

    /// Creates a model.
    ///
    /// @param scores one per token; the split with the highest sum wins
    /// @param unknown the token for characters that no token covers, or [Vocabulary#NONE]
    UnigramModel(
            Vocabulary vocabulary,
            List<? extends Number> scores,
            int unknown,
            boolean byteFallback) {
        this.scores = scores.stream().mapToDouble(Number::doubleValue).toArray();
        this.unknown = unknown;
        this.byteFallback = byteFallback;
        this.byteIds = vocabulary.byteIds();
        this.unknownScore = Arrays.stream(this.scores).min().orElse(0) - UNKNOWN_PENALTY;
        var atNode = new IntList();
        atNode.add(Vocabulary.NONE);
        for (int id = 0; id < vocabulary.size(); id++) {
            String piece = vocabulary.piece(id);
            if (id < this.scores.length && vocabulary.textId(piece) == id && !piece.isEmpty()) {
                insert(piece, id, atNode);
            }
        }
        idAtNode = atNode.toArray();
    }

    private void insert(String piece, int id, IntList atNode) {
        int node = ROOT;
        for (int i = 0; i < piece.length(); i++) {
            long edge = LongIntMap.key(node, piece.charAt(i));
            int next = edges.get(edge);
            if (next == LongIntMap.NONE) {
                next = atNode.size();
                atNode.add(Vocabulary.NONE);
                edges.put(edge, next);
            }
            node = next;
        }
        atNode.set(node, id);
    }

    @Override
    public void encode(char[] text, int from, int to, IntList ids) {
        int[] known = cache.find(text, from, to);
        if (known.length == 0) {
            known = cheapest(text, from, to);
            cache.put(text, from, to, known);
        }
        ids.addAll(known);
    }

    /// Returns the best split; Viterbi's forward pass finds the best token that ends at each
    /// position.
    private int[] cheapest(char[] text, int from, int to) {
        int length = to - from;
        double[] best = new double[length + 1];
        int[] begin = new int[length + 1];
        int[] token = new int[length + 1];
        Arrays.fill(begin, Vocabulary.NONE);
        for (int start = 0; start < length; ) {
            int single = Character.charCount(Characters.codePoint(text, from + start, to));
            boolean covered = false;
            int node = edges.get(LongIntMap.key(ROOT, text[from + start]));
            for (int end = start + 1; node != LongIntMap.NONE; end++) {
                int id = idAtNode[node];
                if (id != Vocabulary.NONE) {
                    covered |= end - start == single;
                    relax(best, begin, token, start, end, id, scores[id]);
                }
                node =
                        end < length
                                ? edges.get(LongIntMap.key(node, text[from + end]))
                                : LongIntMap.NONE;
            }
            if (!covered) {
                relax(best, begin, token, start, start + single, Vocabulary.NONE, unknownScore);
            }
            start += single;
        }
        return backward(text, from, begin, token);
    }

    private static void relax(
            double[] best, int[] begin, int[] token, int start, int end, int id, double score) {
        if (begin[end] == Vocabulary.NONE || best[start] + score > best[end]) {
            best[end] = best[start] + score;
            begin[end] = start;
            token[end] = id;
        }
    }

    private int[] backward(char[] text, int from, int[] begin, int[] token) {
        var ends = new IntList();
        for (int end = begin.length - 1; end > 0; end = begin[end]) {
            ends.add(end);
        }
        var ids = new IntList(ends.size());
        for (int i = ends.size() - 1; i >= 0; i--) {
            int end = ends.at(i);
            if (token[end] != Vocabulary.NONE) {
                ids.add(token[end]);
                continue;
            }
            int start = begin[end];
            while (i > 0 && token[ends.at(i - 1)] == Vocabulary.NONE) {
                i--;
                end = ends.at(i);
            }
            addUnknown(new String(text, from + start, end - start), ids);
        }
        return ids.toArray();
    }

    private void addUnknown(String text, IntList ids) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        boolean spelled = byteFallback;
        for (byte b : bytes) {
            spelled &= byteIds[b & 0xFF] != Vocabulary.NONE;
        }
        if (spelled) {
            for (byte b : bytes) {
                ids.add(byteIds[b & 0xFF]);
            }
        } else if (unknown != Vocabulary.NONE) {
            ids.add(unknown);
        }
    }
}
