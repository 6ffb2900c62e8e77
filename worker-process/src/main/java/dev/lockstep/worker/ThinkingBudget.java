// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.grammar.GrammarException;
import java.util.Arrays;

/// Counts the tokens of a sequence's thinking, and closes it once its budget is used up. A function
/// of the generated ids alone, so that it is the same after a preemption.
///
/// Thinking stands at the beginning of the text, or right behind other thinking: a marker anywhere
/// else is text like any other.
final class ThinkingBudget {
    /// For a text that may think as long as it likes.
    static final ThinkingBudget NONE =
            new ThinkingBudget(0, false, new byte[0], new byte[0], new int[0], State.OVER);

    private enum State {
        /// Before what may be an opening marker.
        BEFORE,
        THINKING,
        CLOSING,
        /// No thinking can follow.
        OVER
    }

    private final int tokens;
    private final byte[] opening;
    private final byte[] closing;
    private final int[] closingIds;

    /// How far the closing marker goes on after the first `i + 1` of its bytes did not.
    private final int[] borders;

    private State state;
    private int count;

    /// How many bytes of the marker that is looked for the text ends with.
    private int matched;

    /// How many of `closingIds` are there.
    private int closed;

    private ThinkingBudget(
            int tokens,
            boolean opened,
            byte[] opening,
            byte[] closing,
            int[] closingIds,
            State state) {
        this.tokens = tokens;
        this.opening = opening;
        this.closing = closing;
        this.closingIds = closingIds;
        this.borders = borders(closing);
        this.state = opened ? State.THINKING : state;
        closeIfUsedUp();
    }

    /// @throws IllegalArgumentException if a marker is missing or the number is negative
    static ThinkingBudget of(dev.lockstep.proto.v1.ThinkingBudget proto) {
        if (proto.getTokens() < 0
                || proto.getClosingIdsCount() == 0
                || proto.getClosing().isEmpty()
                || (!proto.getOpened() && proto.getOpening().isEmpty())) {
            throw new IllegalArgumentException(
                    "a thinking budget of %d tokens with markers of %d and %d bytes and %d ids"
                            .formatted(
                                    proto.getTokens(),
                                    proto.getOpening().size(),
                                    proto.getClosing().size(),
                                    proto.getClosingIdsCount()));
        }
        return new ThinkingBudget(
                proto.getTokens(),
                proto.getOpened(),
                proto.getOpening().toByteArray(),
                proto.getClosing().toByteArray(),
                proto.getClosingIdsList().stream().mapToInt(Integer::intValue).toArray(),
                State.BEFORE);
    }

    /// Returns whether the thinking must be closed now, by [#nextClosing].
    boolean closes() {
        return state == State.CLOSING;
    }

    /// Returns the only id that may come next while the thinking [#closes].
    int nextClosing() {
        return closingIds[closed];
    }

    /// Returns how many tokens may follow whatever they are before the thinking may have to be
    /// closed.
    int free() {
        return switch (state) {
            case BEFORE, THINKING -> Math.max(0, tokens - count);
            case CLOSING -> 0;
            case OVER -> Integer.MAX_VALUE;
        };
    }

    /// Goes on by a token.
    ///
    /// @param text its bytes, also those of a special token
    /// @throws GrammarException if another one had to come
    void accept(int id, byte[] text) {
        switch (state) {
            case OVER -> {}
            case BEFORE -> open(text);
            case THINKING -> {
                count++;
                think(text, 0);
            }
            case CLOSING -> close(id);
        }
        closeIfUsedUp();
    }

    /// Looks for the opening marker behind white space.
    private void open(byte[] text) {
        for (int i = 0; i < text.length; i++) {
            if (matched == 0 && isSpace(text[i])) {
                continue;
            }
            if (text[i] != opening[matched]) {
                state = State.OVER;
                return;
            }
            matched++;
            if (matched == opening.length) {
                matched = 0;
                state = State.THINKING;
                think(text, i + 1);
                return;
            }
        }
    }

    /// Looks for the closing marker.
    private void think(byte[] text, int from) {
        for (int i = from; i < text.length; i++) {
            while (matched > 0 && text[i] != closing[matched]) {
                matched = borders[matched - 1];
            }
            if (text[i] == closing[matched]) {
                matched++;
            }
            if (matched == closing.length) {
                matched = 0;
                reopen(Arrays.copyOfRange(text, i + 1, text.length));
                return;
            }
        }
    }

    private void reopen(byte[] rest) {
        state = opening.length == 0 ? State.OVER : State.BEFORE;
        if (state == State.BEFORE) {
            open(rest);
        }
    }

    private void close(int id) {
        if (id != closingIds[closed]) {
            throw new GrammarException(
                    "token %d was chosen where the thinking had to be closed by %d"
                            .formatted(id, closingIds[closed]));
        }
        closed++;
        if (closed == closingIds.length) {
            closed = 0;
            matched = 0;
            reopen(new byte[0]);
        }
    }

    /// A closing marker that has begun may come to its end.
    private void closeIfUsedUp() {
        if (state == State.THINKING
                && count >= tokens
                && (matched == 0 || count - tokens >= closing.length)) {
            state = State.CLOSING;
        }
    }

    private static int[] borders(byte[] marker) {
        int[] borders = new int[marker.length];
        for (int i = 1; i < marker.length; i++) {
            int length = borders[i - 1];
            while (length > 0 && marker[i] != marker[length]) {
                length = borders[length - 1];
            }
            borders[i] = marker[i] == marker[length] ? length + 1 : length;
        }
        return borders;
    }

    private static boolean isSpace(byte value) {
        return value == ' ' || value == '\n' || value == '\t' || value == '\r';
    }
}
