// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// Where a text can be in its grammar: in which terminals, with which stacks to go on with after
/// each. Equal configurations of an automaton are one object.
final class Configuration {
    /// The terminal's state by place: at least one byte more of it comes.
    final RegexNode[] states;

    /// What follows the terminal at the same place.
    final Stacks[] stacks;

    /// Special tokens that may come next, ascending.
    final int[] specials;

    final Stacks[] afterSpecials;

    /// Whether the text may end here.
    final boolean accepting;

    private final int hash;

    /// By class of byte, as far as they were needed.
    Configuration @Nullable [] next;

    /// The ids that are allowed next; null before it is known or after it was forgotten.
    @Nullable TokenSet mask;

    /// The one byte that can come next; [Automaton#NO_BYTE] or [Automaton#SEVERAL] else; null
    /// before it is known.
    @Nullable Integer onlyByte;

    Configuration(
            RegexNode[] states,
            Stacks[] stacks,
            int[] specials,
            Stacks[] afterSpecials,
            boolean accepting) {
        this.states = states;
        this.stacks = stacks;
        this.specials = specials;
        this.afterSpecials = afterSpecials;
        this.accepting = accepting;
        int sum = accepting ? 1 : 0;
        for (int i = 0; i < states.length; i++) {
            sum = 31 * (31 * sum + states[i].id) + stacks[i].id;
        }
        for (int i = 0; i < specials.length; i++) {
            sum = 31 * (31 * sum + specials[i]) + afterSpecials[i].id;
        }
        this.hash = sum;
    }

    /// Whether nothing leads on: neither a byte nor a special token, nor the end.
    boolean isDead() {
        return states.length == 0 && specials.length == 0 && !accepting;
    }

    boolean canGoOn() {
        return states.length > 0 || specials.length > 0;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Configuration that
                && that.accepting == accepting
                && Arrays.equals(that.states, states)
                && Arrays.equals(that.stacks, stacks)
                && Arrays.equals(that.specials, specials)
                && Arrays.equals(that.afterSpecials, afterSpecials);
    }

    @Override
    public int hashCode() {
        return hash;
    }
}
