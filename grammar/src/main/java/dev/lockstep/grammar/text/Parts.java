// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.text;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.util.ArrayList;
import java.util.List;

/// Expressions put together, with what is regular in one terminal.
final class Parts {
    static final Expression EMPTY = new Expression.Terminal(Language.EMPTY);

    private Parts() {}

    static Expression sequence(List<Expression> items) {
        var merged = new ArrayList<Expression>();
        var regular = new ArrayList<Regex>();
        for (Expression item : items) {
            if (item instanceof Expression.Terminal(Regex regex)) {
                regular.add(regex);
            } else {
                flush(regular, merged);
                merged.add(item);
            }
        }
        flush(regular, merged);
        if (merged.isEmpty()) {
            return EMPTY;
        }
        return merged.size() == 1 ? merged.getFirst() : new Expression.Sequence(merged);
    }

    private static void flush(List<Regex> regular, List<Expression> merged) {
        if (!regular.isEmpty()) {
            merged.add(new Expression.Terminal(Language.sequence(regular)));
            regular.clear();
        }
    }

    static Expression choice(List<Expression> options) {
        var regular = new ArrayList<Regex>();
        var others = new ArrayList<Expression>();
        for (Expression option : options) {
            if (option instanceof Expression.Terminal(Regex regex)) {
                regular.add(regex);
            } else {
                others.add(option);
            }
        }
        if (!regular.isEmpty()) {
            others.addFirst(new Expression.Terminal(Language.union(regular)));
        }
        return others.size() == 1 ? others.getFirst() : new Expression.Choice(others);
    }

    static Expression repeat(Expression item, int min, int max) {
        return item instanceof Expression.Terminal(Regex regex)
                ? new Expression.Terminal(Language.repeat(regex, min, max))
                : new Expression.Repeat(item, min, max);
    }
}
