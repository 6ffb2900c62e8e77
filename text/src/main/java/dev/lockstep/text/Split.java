// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// A pre-tokenizer that splits every piece at the matches of a pattern.
///
/// With `invert` the text between matches counts as the matches, as in the file format.
record Split(TokenPattern pattern, Behavior behavior, boolean invert) implements PreTokenizer {
    /// The handling of a match: removed, isolated as one piece, merged with a neighbour, or merged
    /// with adjacent matches.
    enum Behavior {
        REMOVED,
        ISOLATED,
        MERGED_WITH_PREVIOUS,
        MERGED_WITH_NEXT,
        CONTIGUOUS
    }

    static Split isolated(TokenPattern pattern) {
        return new Split(pattern, Behavior.ISOLATED, false);
    }

    @Override
    public Pieces apply(Pieces pieces) {
        var result = new Pieces(pieces.text(), pieces.startsInput(), pieces.text().length / 5 + 2);
        var matches = new IntList();
        for (int i = 0; i < pieces.count(); i++) {
            matches.clear();
            pattern.find(pieces.text(), pieces.start(i), pieces.end(i), matches);
            cut(pieces.start(i), pieces.end(i), matches, result);
        }
        return result;
    }

    private void cut(int from, int to, IntList matches, Pieces result) {
        var joiner = new Joiner(behavior, result);
        int done = from;
        for (int m = 0; m < matches.size(); m += 2) {
            int start = matches.at(m);
            if (done < start) {
                joiner.add(done, start, invert);
            }
            joiner.add(start, matches.at(m + 1), !invert);
            done = matches.at(m + 1);
        }
        if (done < to) {
            joiner.add(done, to, invert);
        }
        joiner.finish();
    }

    /// A collector that joins the alternating matches and gaps of one piece.
    private static final class Joiner {
        private final Behavior behavior;
        private final Pieces result;
        private int openStart = -1;
        private int openEnd = -1;
        private boolean openMatch;

        Joiner(Behavior behavior, Pieces result) {
            this.behavior = behavior;
            this.result = result;
        }

        void add(int start, int end, boolean match) {
            switch (behavior) {
                case REMOVED -> {
                    if (!match) {
                        result.add(start, end);
                    }
                }
                case ISOLATED -> result.add(start, end);
                case CONTIGUOUS -> hold(start, end, match, openMatch == match);
                case MERGED_WITH_PREVIOUS -> hold(start, end, match, match && !openMatch);
                case MERGED_WITH_NEXT -> hold(start, end, match, !match && openMatch);
            }
        }

        private void hold(int start, int end, boolean match, boolean joins) {
            if (openStart >= 0 && joins) {
                openEnd = end;
            } else {
                finish();
                openStart = start;
                openEnd = end;
            }
            openMatch = match;
        }

        void finish() {
            if (openStart >= 0) {
                result.add(openStart, openEnd);
                openStart = -1;
            }
        }
    }
}
