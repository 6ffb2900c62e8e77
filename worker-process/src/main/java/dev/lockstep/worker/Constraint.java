// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.grammar.GrammarException;
import dev.lockstep.grammar.Matcher;
import java.util.List;

/// The grammar that the generated text of one sequence must match, and how far the text has come.
///
/// Only the rank that samples has it; belongs to the step thread once its sequence is admitted.
final class Constraint {
    private final Matcher matcher;
    private final ForcedText forced;
    private final int[] endIds;
    private final long[] mask;
    private final long[] allowed;

    /// @param allowed the ids that the request allows, as a mask; empty for all
    /// @param matcher after the ids that were generated before
    /// @param endIds the ids that end the sequence, allowed where the text may end
    Constraint(Matcher matcher, ForcedText forced, int[] endIds, long[] allowed, int vocabulary) {
        this.matcher = matcher;
        this.forced = forced;
        this.endIds = endIds.clone();
        this.allowed = allowed.clone();
        this.mask = new long[(vocabulary + Long.SIZE - 1) / Long.SIZE];
    }

    /// What is known after a sampled id.
    ///
    /// @param forced ids that follow it because the grammar leaves no other text
    /// @param complete whether the grammar allows nothing after them
    record Continuation(List<Integer> forced, boolean complete) {
        static final Continuation FREE = new Continuation(List.of(), false);

        Continuation {
            forced = List.copyOf(forced);
        }
    }

    /// Returns the ids that are allowed next; valid until the next call.
    ///
    /// @throws GrammarException if there is none, or finding them exceeds a limit
    long[] mask() {
        matcher.mask(mask);
        if (matcher.mayEnd()) {
            for (int id : endIds) {
                mask[id / Long.SIZE] |= 1L << (id % Long.SIZE);
            }
        }
        for (int word = 0; word < allowed.length; word++) {
            mask[word] &= allowed[word];
        }
        for (long word : mask) {
            if (word != 0) {
                return mask;
            }
        }
        throw new GrammarException("the model's vocabulary has no token that it allows next");
    }

    /// Goes on by a sampled id.
    ///
    /// @throws GrammarException if the grammar does not allow it, or a limit is exceeded
    Continuation sampled(int id) {
        if (!matcher.accept(id)) {
            if (matcher.mayEnd() && isEnd(id)) {
                return Continuation.FREE;
            }
            throw new GrammarException("token %d was chosen, which it forbids".formatted(id));
        }
        List<Integer> ids = forced.after(matcher);
        return new Continuation(ids, matcher.complete());
    }

    private boolean isEnd(int id) {
        for (int end : endIds) {
            if (end == id) {
                return true;
            }
        }
        return false;
    }
}
