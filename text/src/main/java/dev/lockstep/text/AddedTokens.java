// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A search for added tokens in text, the longest at each position; immutable.
///
/// A trie finds them: one position costs at most the length of the longest token, so text full of
/// token prefixes stays linear.
final class AddedTokens {
    private static final int ROOT = 0;

    /// A receiver of text sections and tokens, in text order.
    interface Sections {
        void text(String text, boolean startsInput);

        void token(int id);
    }

    private final LongIntMap edges;
    private final List<AddedToken> tokens;
    private final int[] tokenAtNode;

    AddedTokens(List<AddedToken> tokens) {
        this.tokens = List.copyOf(tokens);
        edges = new LongIntMap(16);
        var atNode = new IntList();
        atNode.add(NO_TOKEN);
        List<int[]> ends = new ArrayList<>();
        for (int t = 0; t < tokens.size(); t++) {
            ends.add(new int[] {insert(tokens.get(t).content(), atNode), t});
        }
        tokenAtNode = atNode.toArray();
        ends.forEach(end -> tokenAtNode[end[0]] = end[1]);
    }

    private static final int NO_TOKEN = -1;

    private int insert(String content, IntList atNode) {
        int node = ROOT;
        for (int i = 0; i < content.length(); i++) {
            long edge = LongIntMap.key(node, content.charAt(i));
            int next = edges.get(edge);
            if (next == LongIntMap.NONE) {
                next = atNode.size();
                atNode.add(NO_TOKEN);
                edges.put(edge, next);
            }
            node = next;
        }
        return node;
    }

    /// Splits `text` at the added tokens and skips empty text between them; without `parseSpecial`,
    /// special tokens are ordinary text.
    void split(String text, boolean startsInput, boolean parseSpecial, Sections sections) {
        int done = 0;
        int from = 0;
        int spaceEnd = 0;
        while (!tokens.isEmpty() && from < text.length()) {
            AddedToken token = longestAt(text, from, parseSpecial);
            if (token == null) {
                from++;
                continue;
            }
            int end = from + token.content().length();
            if (token.singleWord() && touchesWord(text, from, end)) {
                from = end;
                continue;
            }
            int start = token.stripLeft() ? spaceStart(text, done, from) : from;
            int stop = end;
            if (token.stripRight()) {
                // Within a run of white space that was read, its end is known.
                spaceEnd = end < spaceEnd ? spaceEnd : spaceEnd(text, end);
                stop = spaceEnd;
            }
            text(text, done, start, startsInput, sections);
            if (start < stop) {
                sections.token(token.id());
            }
            // A token of white space may begin in the white space that this one removed.
            done = stop;
            from = end;
        }
        text(text, done, text.length(), startsInput, sections);
    }

    private static void text(
            String text, int from, int to, boolean startsInput, Sections sections) {
        if (from < to) {
            sections.text(text.substring(from, to), startsInput && from == 0);
        }
    }

    private @Nullable AddedToken longestAt(String text, int from, boolean parseSpecial) {
        AddedToken longest = null;
        int node = ROOT;
        for (int i = from; i < text.length(); i++) {
            node = edges.get(LongIntMap.key(node, text.charAt(i)));
            if (node == LongIntMap.NONE) {
                break;
            }
            if (tokenAtNode[node] != NO_TOKEN) {
                AddedToken token = tokens.get(tokenAtNode[node]);
                if (parseSpecial || !token.special()) {
                    longest = token;
                }
            }
        }
        return longest;
    }

    private static boolean touchesWord(String text, int start, int end) {
        return (start > 0 && WordPattern.isWord(text.codePointBefore(start)))
                || (end < text.length() && WordPattern.isWord(text.codePointAt(end)));
    }

    private static int spaceStart(String text, int from, int to) {
        int start = Math.max(from, to);
        while (start > from && Characters.is(text.charAt(start - 1), Characters.SPACE)) {
            start--;
        }
        return start;
    }

    private static int spaceEnd(String text, int from) {
        int end = from;
        while (end < text.length() && Characters.is(text.charAt(end), Characters.SPACE)) {
            end++;
        }
        return end;
    }
}
