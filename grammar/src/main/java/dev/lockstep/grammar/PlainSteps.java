// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import org.jspecify.annotations.Nullable;

/// Tells of states of terminals whether they treat all plain characters of [PlainTokens] alike.
final class PlainSteps {
    static final int UNKNOWN = -1;

    private final RegexArena regexes;

    PlainSteps(RegexArena regexes) {
        this.regexes = regexes;
    }

    /// How many plain characters a state allows without an end of its terminal before, after or
    /// among them: at most [Integer#MAX_VALUE], or [#UNKNOWN] where it depends on the characters.
    int run(RegexNode state) {
        if (state.kind == RegexNode.Kind.CONCATENATION
                && state.head().kind == RegexNode.Kind.REPEAT
                && after(state.head().head()) == regexes.empty) {
            RegexNode tail = state.tail();
            if (!tail.nullable && after(tail) == regexes.nothing) {
                int max = state.head().max;
                return max == Regex.UNBOUNDED ? Integer.MAX_VALUE : max;
            }
            return UNKNOWN;
        }
        RegexNode next = after(state);
        if (next == regexes.nothing) {
            return 0;
        }
        return next == state && !state.nullable ? Integer.MAX_VALUE : UNKNOWN;
    }

    /// What follows any one plain character; null if that is not the same for all.
    private @Nullable RegexNode after(RegexNode state) {
        if (!state.plainKnown) {
            state.plain = find(state);
            state.plainKnown = true;
        }
        return state.plain;
    }

    private @Nullable RegexNode find(RegexNode state) {
        RegexNode common = null;
        RegexNode before = null;
        int followingBefore = -1;
        for (int lead = 0x20; lead < 0xF5; lead++) {
            int following = PlainTokens.following(lead);
            if (following < 0) {
                continue;
            }
            RegexNode next = step(state, lead);
            boolean narrow =
                    PlainTokens.leastSecond(lead) != 0x80 || PlainTokens.mostSecond(lead) != 0xBF;
            if (!narrow && next == before && following == followingBefore) {
                continue;
            }
            before = narrow ? null : next;
            followingBefore = following;
            for (int k = 1; k <= following; k++) {
                int least = k == 1 ? PlainTokens.leastSecond(lead) : 0x80;
                int most = k == 1 ? PlainTokens.mostSecond(lead) : 0xBF;
                RegexNode same = step(next, least);
                for (int value = least + 1; value <= most; value++) {
                    if (step(next, value) != same) {
                        return null;
                    }
                }
                next = same;
            }
            if (common == null) {
                common = next;
            } else if (common != next) {
                return null;
            }
        }
        return common;
    }

    private RegexNode step(RegexNode state, int value) {
        return regexes.step(state, regexes.classes.of(value));
    }
}
