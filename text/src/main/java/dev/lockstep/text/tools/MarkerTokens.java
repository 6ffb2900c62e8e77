// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import dev.lockstep.grammar.Expression;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/// The markers of a format that are tokens of their own, which a grammar names by their ids.
public final class MarkerTokens {
    private final Map<String, Integer> ids;
    private final List<String> longestFirst;

    /// @param ids of the special tokens by their text
    public MarkerTokens(Map<String, Integer> ids) {
        this.ids = Map.copyOf(ids);
        longestFirst =
                ids.keySet().stream()
                        .filter(text -> !text.isEmpty())
                        .sorted(Comparator.comparingInt(String::length).reversed())
                        .toList();
    }

    /// A text up to its first special token.
    ///
    /// @param special its id, or -1
    /// @param rest what follows it
    public record Split(String text, int special, String rest) {}

    public Split split(String text) {
        for (int at = 0; at < text.length(); at++) {
            for (String marker : longestFirst) {
                if (text.startsWith(marker, at)) {
                    return new Split(
                            text.substring(0, at),
                            ids.getOrDefault(marker, -1),
                            text.substring(at + marker.length()));
                }
            }
        }
        return new Split(text, -1, "");
    }

    /// The text, with the special tokens in it.
    public Expression literal(String text) {
        List<Expression> items = new ArrayList<>();
        Split split = split(text);
        while (!split.text().isEmpty() || split.special() >= 0) {
            if (!split.text().isEmpty()) {
                items.add(Expression.text(split.text()));
            }
            if (split.special() >= 0) {
                items.add(new Expression.Special(split.special()));
            }
            split = split(split.rest());
        }
        return new Expression.Sequence(items);
    }
}
