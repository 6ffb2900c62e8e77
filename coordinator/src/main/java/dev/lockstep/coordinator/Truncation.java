// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.Sampling;
import java.util.Arrays;
import java.util.OptionalInt;

/// How many of the last tokens of a prompt are kept: `truncate_prompt_tokens`.
///
/// @param tokens empty for all; [#TO_CONTEXT] for as many as leave room for the output
record Truncation(OptionalInt tokens) {
    static final Truncation NONE = new Truncation(OptionalInt.empty());

    private static final String FIELD = "truncate_prompt_tokens";
    private static final int TO_CONTEXT = -1;

    static Truncation parse(Fields fields) {
        OptionalInt tokens = fields.integer(FIELD, TO_CONTEXT, Integer.MAX_VALUE);
        if (tokens.orElse(TO_CONTEXT) == 0) {
            throw Fields.outside(
                    fields.name(FIELD),
                    fields.value(FIELD),
                    "{-1} or [1, " + Integer.MAX_VALUE + "]");
        }
        return new Truncation(tokens);
    }

    /// Returns the tokens that are kept.
    ///
    /// @param context upper bound of the tokens of a prompt and its output
    int[] of(int[] ids, int context, Sampling sampling) {
        if (tokens.isEmpty()) {
            return ids;
        }
        int output = sampling.generates() ? sampling.maxTokens().orElse(1) : 0;
        int kept =
                tokens.getAsInt() == TO_CONTEXT ? Math.max(1, context - output) : tokens.getAsInt();
        return kept < ids.length ? Arrays.copyOfRange(ids, ids.length - kept, ids.length) : ids;
    }
}
