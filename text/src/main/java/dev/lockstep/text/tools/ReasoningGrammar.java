// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Regex;
import java.util.Map;

/// What a grammar allows before a constrained text: the reasoning of the model.
public final class ReasoningGrammar {
    private ReasoningGrammar() {}

    /// Returns what comes before the answer to a prompt; the empty text if the prompt closed the
    /// reasoning already.
    ///
    /// @param specials the ids of the special tokens by their text
    public static Expression before(
            ReasoningFormat format, String prompt, Map<String, Integer> specials) {
        var markers = new MarkerTokens(specials);
        String closing = format.closing().strip();
        if (format.isOpenedBy(prompt)) {
            return closed(format, closing, markers);
        }
        if (prompt.stripTrailing().endsWith(closing)) {
            return Expression.EMPTY;
        }
        return Expression.optional(
                Expression.sequence(
                        markers.literal(format.opening().strip()),
                        closed(format, closing, markers)));
    }

    /// Any text up to and with the closing marker, and the white space that the template puts
    /// behind it.
    private static Expression closed(ReasoningFormat format, String closing, MarkerTokens markers) {
        MarkerTokens.Split split = markers.split(closing);
        String space = MarkerText.trailingSpace(format.closing());
        Expression behind =
                space.isEmpty() ? Expression.EMPTY : Expression.optional(Expression.text(space));
        if (split.text().isEmpty()) {
            return Expression.sequence(
                    Expression.until(split.special()), markers.literal(split.rest()), behind);
        }
        return Expression.sequence(
                Expression.terminal(Regex.until(Regex.text(split.text()))),
                markers.literal(closing.substring(split.text().length())),
                behind);
    }
}
