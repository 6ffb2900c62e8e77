// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.text.tools.AnswerFormat;
import java.util.Map;
import java.util.Set;

/// How the choices of one request are taken apart: the same for all of them.
///
/// @param functions the schemas of the parameters by the names of what may be called
/// @param constrained whether a grammar keeps calls well formed
/// @param promptEnd the end of the prompt, which may open the reasoning
/// @param parallel whether more than the first call is passed on
/// @param markers the special tokens that the format needs: their text is read, that of others is
///   hidden
/// @param callIds the ids of calls for which the model writes none
record AnswerPlan(
        AnswerFormat format,
        Map<String, JsonNode> functions,
        boolean constrained,
        String promptEnd,
        boolean parallel,
        ReasoningPlace reasoning,
        Set<Integer> markers,
        CallIds callIds) {
    private static final int PROMPT_END = 512;

    /// Creates the ids of calls.
    @FunctionalInterface
    interface CallIds {
        /// Returns the id of a call, which is the same whoever writes the response.
        ///
        /// @param call its name, which no other call has
        String of(String call);
    }

    AnswerPlan {
        functions = Map.copyOf(functions);
        markers = Set.copyOf(markers);
        promptEnd = end(promptEnd);
    }

    /// Returns as much of a prompt's end as any marker needs.
    static String end(String prompt) {
        return prompt.substring(Math.max(0, prompt.length() - PROMPT_END));
    }

    /// Creates the reader of a choice.
    ///
    /// @param choice a name that no other choice has
    AnswerReader reader(String choice) {
        return new AnswerReader(this, choice);
    }
}
