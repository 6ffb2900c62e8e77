// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.EnumMap;

/// Tells of states of terminals whether they treat all characters of a slice alike.
final class SliceSteps {
    static final int UNKNOWN = -1;

    private static final int LONGEST_CHAIN = 4;

    private final RegexArena regexes;

    SliceSteps(RegexArena regexes) {
        this.regexes = regexes;
    }

    /// How many characters of a slice a state allows, at most [Integer#MAX_VALUE]; [#UNKNOWN] where
    /// that depends on the characters, or where the terminal may end after some of them.
    int run(RegexNode state, TokenSlice.Kind slice) {
        RegexNode each = state;
        for (int length = 0; length < LONGEST_CHAIN; length++) {
            if (isCounted(each, slice)) {
                int max = each.head().max;
                return max == Regex.UNBOUNDED || max > Integer.MAX_VALUE - length
                        ? Integer.MAX_VALUE
                        : max + length;
            }
            RegexNode next = after(each, slice);
            if (next == regexes.nothing) {
                return length;
            }
            if (next == RegexArena.UNEVEN || next.nullable) {
                return UNKNOWN;
            }
            if (next == each) {
                return Integer.MAX_VALUE;
            }
            each = next;
        }
        return UNKNOWN;
    }

    /// Whether a state allows any number of characters of a slice, the first of which has already
    /// begun with `lead`.
    boolean endless(RegexNode state, int lead, TokenSlice.Kind slice) {
        int following = slice.following(lead);
        return following >= 0 && endless(state, lead, 1, following, slice);
    }

    private boolean endless(
            RegexNode state, int lead, int k, int following, TokenSlice.Kind slice) {
        if (k > following) {
            return !state.nullable && run(state, slice) == Integer.MAX_VALUE;
        }
        RegexNode before = regexes.nothing;
        for (int value = TokenSlice.least(lead, k); value <= TokenSlice.most(lead, k); value++) {
            RegexNode next = step(state, value);
            if (next == before) {
                continue;
            }
            if (next == regexes.nothing || !endless(next, lead, k + 1, following, slice)) {
                return false;
            }
            before = next;
        }
        return before != regexes.nothing;
    }

    /// Whether a state is a repetition of what each character of the slice is once, before
    /// something that no character of it begins.
    boolean isCounted(RegexNode state, TokenSlice.Kind slice) {
        return state.kind == RegexNode.Kind.CONCATENATION
                && state.head().kind == RegexNode.Kind.REPEAT
                && after(state.head().head(), slice) == regexes.empty
                && !state.tail().nullable
                && after(state.tail(), slice) == regexes.nothing;
    }

    /// A state that treats tokens of at most [TokenSlice#SHORT] bytes as this counted one does: no
    /// such token can tell large numbers of times apart.
    RegexNode forShortTokens(RegexNode counted) {
        RegexNode repeat = counted.head();
        boolean many = repeat.max == Regex.UNBOUNDED || repeat.max > TokenSlice.SHORT;
        RegexNode head =
                regexes.repeat(
                        repeat.head(),
                        Math.min(repeat.min, TokenSlice.SHORT + 1),
                        many ? Regex.UNBOUNDED : repeat.max);
        return regexes.concatenation(head, counted.tail());
    }

    /// What follows any one character of a slice; [RegexArena#UNEVEN] if that is not the same for
    /// all.
    private RegexNode after(RegexNode state, TokenSlice.Kind slice) {
        if (state.afterSlices == null) {
            state.afterSlices = new EnumMap<>(TokenSlice.Kind.class);
        }
        RegexNode known = state.afterSlices.get(slice);
        if (known == null) {
            known = find(state, slice);
            state.afterSlices.put(slice, known);
        }
        return known;
    }

    private RegexNode find(RegexNode state, TokenSlice.Kind slice) {
        RegexNode common = RegexArena.UNEVEN;
        RegexNode before = RegexArena.UNEVEN;
        int followingBefore = -1;
        for (int lead = 0x20; lead < 0xF5; lead++) {
            int following = slice.following(lead);
            if (following < 0) {
                continue;
            }
            RegexNode next = step(state, lead);
            boolean narrow = TokenSlice.least(lead, 1) != 0x80 || TokenSlice.most(lead, 1) != 0xBF;
            if (!narrow && next == before && following == followingBefore) {
                continue;
            }
            before = narrow ? RegexArena.UNEVEN : next;
            followingBefore = following;
            for (int k = 1; k <= following; k++) {
                RegexNode same = step(next, TokenSlice.least(lead, k));
                for (int value = TokenSlice.least(lead, k) + 1;
                        value <= TokenSlice.most(lead, k);
                        value++) {
                    if (step(next, value) != same) {
                        return RegexArena.UNEVEN;
                    }
                }
                next = same;
            }
            if (common == RegexArena.UNEVEN) {
                common = next;
            } else if (common != next) {
                return RegexArena.UNEVEN;
            }
        }
        return common;
    }

    private RegexNode step(RegexNode state, int value) {
        return regexes.step(state, regexes.classes.of(value));
    }
}
