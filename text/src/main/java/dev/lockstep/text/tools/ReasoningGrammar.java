// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Regex;
import java.util.Map;

/// What a grammar allows before a constrained text: the reasoning of the model.
public final class ReasoningGrammar {
    private static final Expression LINE_FEEDS =
            Expression.terminal(new Regex.Repeat(Regex.text("\n"), 0, 2));

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
            return closed(closing, markers);
        }
        if (format.isClosedBy(prompt)) {
            return Expression.EMPTY;
        }
        return Expression.optional(
                Expression.sequence(
                        markers.literal(format.opening().strip()), closed(closing, markers)));
    }

    /// Any text up to and with the closing marker, and line feeds behind it: how many a model
    /// writes there, templates do not always show.
    private static Expression closed(String closing, MarkerTokens markers) {
        MarkerTokens.Split split = markers.split(closing);
        if (split.text().isEmpty()) {
            return Expression.sequence(
                    Expression.until(split.special()), markers.literal(split.rest()), LINE_FEEDS);
        }
        return Expression.sequence(
                Expression.terminal(Regex.until(Regex.text(split.text()))),
                markers.literal(closing.substring(split.text().length())),
                LINE_FEEDS);
    }
}
