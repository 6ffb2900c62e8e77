// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import static java.util.Objects.requireNonNull;

import dev.lockstep.grammar.Expression;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Rules of parts with commas between them, as an automaton over the parts.
///
/// @param <S> its states, equal if what may follow is equal
abstract class ChainRules<S> {
    /// A part and the state behind it; without a part the state is entered for nothing.
    record Move<S>(Optional<Expression> part, S next) {}

    private record Named<S>(S state, boolean begun) {}

    final ShapeRules rules;
    private final String prefix;
    private final Map<Named<S>, String> names = new HashMap<>();
    private final Map<List<Integer>, Expression> shared = new HashMap<>();
    private final IdentityHashMap<Expression, Integer> numbers = new IdentityHashMap<>();
    private final List<Named<S>> open = new ArrayList<>();
    private final Brackets brackets;

    ChainRules(ShapeRules rules, String prefix, Brackets brackets) {
        this.rules = rules;
        this.brackets = brackets;
        this.prefix = prefix;
    }

    abstract List<Move<S>> moves(S state);

    abstract boolean mayEnd(S state);

    /// The whole between its brackets.
    final Expression chain(S start) {
        boolean mayBeEmpty = mayEndWithoutPart(start);
        Expression.Reference first = reference(new Named<>(start, false));
        while (!open.isEmpty()) {
            Named<S> named = open.removeLast();
            rules.add(requireNonNull(names.get(named)), state(named));
        }
        // The empty pair has its own form, so that no white space can be taken for two others.
        Expression full = ShapeRules.sequence(brackets.opening(), first, brackets.closing());
        return mayBeEmpty ? new Expression.Choice(List.of(full, brackets.empty())) : full;
    }

    private boolean mayEndWithoutPart(S state) {
        return mayEnd(state)
                || moves(state).stream()
                        .anyMatch(move -> move.part.isEmpty() && mayEndWithoutPart(move.next));
    }

    private Expression.Reference reference(Named<S> named) {
        String name = names.get(named);
        if (name == null) {
            name = prefix + "s" + names.size();
            names.put(named, name);
            open.add(named);
        }
        return new Expression.Reference(name);
    }

    private Expression state(Named<S> named) {
        var parts = new LinkedHashMap<Expression.Reference, List<Expression>>();
        var options = new ArrayList<Expression>();
        for (Move<S> move : moves(named.state)) {
            if (move.part.isEmpty()) {
                options.add(reference(new Named<>(move.next, named.begun)));
            } else {
                parts.computeIfAbsent(
                                reference(new Named<>(move.next, true)), _ -> new ArrayList<>())
                        .add(move.part.get());
            }
        }
        parts.forEach(
                (next, some) ->
                        options.add(
                                named.begun
                                        ? ShapeRules.sequence(brackets.comma(), any(some), next)
                                        : ShapeRules.sequence(any(some), next)));
        if (named.begun && mayEnd(named.state)) {
            options.add(new Expression.Sequence(List.of()));
        }
        return options.size() == 1 ? options.getFirst() : new Expression.Choice(options);
    }

    /// Parts that lead to the same state have one rule.
    private Expression any(List<Expression> parts) {
        if (parts.size() == 1) {
            return parts.getFirst();
        }
        List<Integer> key =
                parts.stream()
                        .map(part -> numbers.computeIfAbsent(part, _ -> numbers.size()))
                        .toList();
        return shared.computeIfAbsent(
                key,
                _ -> {
                    String name = prefix + "p" + shared.size();
                    rules.add(name, new Expression.Choice(parts));
                    return new Expression.Reference(name);
                });
    }
}
