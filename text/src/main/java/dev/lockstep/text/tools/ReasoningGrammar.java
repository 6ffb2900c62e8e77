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
        if (format.isOpenedBy(prompt)) {
            return closed(format, markers);
        }
        if (format.isClosedBy(prompt)) {
            return Expression.EMPTY;
        }
        return Expression.optional(
                Expression.sequence(
                        markers.literal(format.opening().strip()), closed(format, markers)));
    }

    /// Any text up to and with the closing marker, and what the template writes behind it, or line
    /// feeds: how many a model writes there, templates do not always show.
    private static Expression closed(ReasoningFormat format, MarkerTokens markers) {
        String closing = format.closing().strip();
        String space = MarkerText.trailingSpace(format.closing());
        Expression behind =
                space.matches("\n{0,2}")
                        ? LINE_FEEDS
                        : Expression.choice(LINE_FEEDS, Expression.text(space));
        MarkerTokens.Split split = markers.split(closing);
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
