// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Regex;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Rules of one form of an array.
final class ArrayRules extends ChainRules<ArrayRules.State> {
    /// States of arrays that are more than a prefix and a count.
    private static final int MAX_COUNTED = 64;

    /// @param index of the next item, as far as it matters
    /// @param found items that met each of the formulas, as far as it matters
    record State(int index, List<Integer> found) {}

    private final ArrayShape shape;
    private final int longest;
    private final int lastIndex;

    ArrayRules(ShapeRules rules, String prefix, ArrayShape shape) {
        super(rules, prefix, rules.writer().array());
        this.shape = shape;
        this.longest = shape.longest(rules.expansion());
        int last = Math.max(shape.prefix().size(), Math.max(shape.min(), longest));
        for (ArrayShape.Contained one : shape.contained()) {
            last = Math.max(last, one.from());
        }
        this.lastIndex = last;
    }

    Expression expression() {
        if (shape.distinctAt() != null && (longest == Regex.UNBOUNDED || longest > 1)) {
            requireDistinct(shape.distinctAt());
        }
        if (shape.contained().isEmpty() && shape.prefix().isEmpty()) {
            return alike();
        }
        if (lastIndex > MAX_COUNTED && !shape.contained().isEmpty()) {
            throw new SchemaException(
                    "contains",
                    shape.contained().getFirst().place(),
                    "together with counts above " + MAX_COUNTED);
        }
        return chain(new State(0, shape.contained().stream().map(_ -> 0).toList()));
    }

    /// All items the same: a repetition.
    private Expression alike() {
        Brackets brackets = rules.writer().array();
        Expression item = rules.writer().item(rules, shape.rest());
        var options = new ArrayList<Expression>();
        if (shape.min() == 0) {
            options.add(brackets.empty());
        }
        if (longest != 0) {
            int more = longest == Regex.UNBOUNDED ? longest : longest - 1;
            options.add(
                    ShapeRules.sequence(
                            brackets.opening(),
                            item,
                            new Expression.Repeat(
                                    ShapeRules.sequence(brackets.comma(), item),
                                    Math.max(0, shape.min() - 1),
                                    more),
                            brackets.closing()));
        }
        return new Expression.Choice(options);
    }

    /// Items are distinct where no two of them can be equal.
    private void requireDistinct(String place) {
        boolean known = longest != Regex.UNBOUNDED && longest <= shape.prefix().size() + 1;
        for (int i = 0; known && i < longest; i++) {
            for (int j = 0; known && j < i; j++) {
                known = rules.expansion().isImpossible(Formula.and(shape.item(i), shape.item(j)));
            }
        }
        if (!known) {
            throw new SchemaException("uniqueItems", place, "items can be equal");
        }
    }

    @Override
    List<Move<State>> moves(State state) {
        if (longest != Regex.UNBOUNDED && state.index >= longest) {
            return List.of();
        }
        var moves = new ArrayList<Move<State>>();
        add(moves, state, shape.item(state.index), 0, new ArrayList<>());
        return moves;
    }

    /// One move for each way in which an item meets the formulas from number `at` on or not.
    private void add(
            List<Move<State>> moves, State state, Formula item, int at, List<Integer> found) {
        if (at == shape.contained().size()) {
            if (!item.equals(Formula.FALSE)) {
                moves.add(
                        new Move<>(
                                Optional.of(rules.writer().item(rules, item)),
                                new State(
                                        Math.min(lastIndex, state.index + 1), List.copyOf(found))));
            }
            return;
        }
        ArrayShape.Contained one = shape.contained().get(at);
        int before = state.found.get(at);
        boolean counts = state.index >= one.from();
        boolean enough = one.max() == Regex.UNBOUNDED && before >= one.min();
        if (!counts || enough) {
            found.add(before);
            add(moves, state, item, at + 1, found);
            found.removeLast();
            return;
        }
        if (one.max() == Regex.UNBOUNDED || before < one.max()) {
            found.add(before + 1);
            add(moves, state, Formula.and(item, one.item()), at + 1, found);
            found.removeLast();
        }
        found.add(before);
        add(
                moves,
                state,
                one.max() == Regex.UNBOUNDED ? item : Formula.and(item, Formula.not(one.item())),
                at + 1,
                found);
        found.removeLast();
    }

    @Override
    boolean mayEnd(State state) {
        if (state.index < shape.min()) {
            return false;
        }
        for (int i = 0; i < state.found.size(); i++) {
            if (state.found.get(i) < shape.contained().get(i).min()) {
                return false;
            }
        }
        return true;
    }
}
