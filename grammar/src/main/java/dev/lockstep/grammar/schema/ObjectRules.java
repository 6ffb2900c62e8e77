// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/// Rules of one form of an object.
///
/// In the order of the schema, a state is the number of members that are behind. In any order it is
/// the set of required members that were met, as long as there are few; where there are many,
/// required members keep the order of `properties` or that of `required`, and the others stand
/// anywhere between them.
final class ObjectRules extends ChainRules<ObjectRules.State> {
    private static final int MAX_SOME = 6;

    /// Marks a place in the order of `required`.
    private static final long LISTED = 1L << 32;

    /// Sets of required members that are told apart in any order.
    private static final int MAX_FREE = 6;

    /// The most properties that are counted.
    private static final int MAX_COUNTED = 256;

    /// @param place number of members behind in the order of the schema, or the set of members met
    /// @param count of properties, as far as it matters
    /// @param some bits of the languages of keys of which a key was met
    record State(long place, int count, int some) {}

    private record Member(
            String name, Expression expression, boolean required, int rank, int some) {}

    private final ObjectShape shape;
    private final List<Member> members = new ArrayList<>();
    private final List<Member> required = new ArrayList<>();
    private final List<Member> listed;
    private final List<Member> optional = new ArrayList<>();
    private final int allSome;
    private final int countedTo;

    /// Whether members keep the order of the schema, and the required ones among them theirs.
    private final boolean ordered;

    private final boolean exact;
    private final boolean requiredOrdered;

    ObjectRules(ShapeRules rules, String prefix, ObjectShape shape) {
        super(rules, prefix, rules.writer().object());
        this.shape = shape;
        this.allSome = (1 << Math.min(MAX_SOME, shape.some().size())) - 1;
        shape.members()
                .forEach(
                        (name, member) -> {
                            if (!rules.expansion().isImpossible(member.value())) {
                                members.add(
                                        new Member(
                                                name,
                                                rules.member(
                                                        Optional.of(name),
                                                        strings().exactly(name),
                                                        member.value()),
                                                member.required(),
                                                member.rank(),
                                                someOf(name)));
                            }
                        });
        members.forEach(m -> (m.required ? required : optional).add(m));
        this.listed = required.stream().sorted(Comparator.comparingInt(Member::rank)).toList();
        boolean minCounts = shape.min() > required.size();
        boolean counts = minCounts || shape.max() != Regex.UNBOUNDED;
        this.countedTo =
                !counts ? 0 : shape.max() == Regex.UNBOUNDED ? shape.min() : shape.max() + 1;
        this.exact = members.size() <= MAX_FREE;
        this.requiredOrdered = required.size() > MAX_FREE;
        // A member that is written twice must not count as two.
        this.ordered = rules.layout() == Layout.COMPACT || (minCounts && !exact);
    }

    private StringText strings() {
        return rules.expansion().strings();
    }

    private int someOf(String name) {
        int bits = 0;
        for (int i = 0; i < Math.min(MAX_SOME, shape.some().size()); i++) {
            if (rules.expansion().matches(shape.some().get(i), name)) {
                bits |= 1 << i;
            }
        }
        return bits;
    }

    Expression expression() {
        if (shape.some().size() > MAX_SOME || countedTo > MAX_COUNTED) {
            throw new SchemaException(
                    "minProperties", shape.minAt(), "counts above " + MAX_COUNTED);
        }
        if (shape.min() > required.size() + 1 && !shape.others().isEmpty() && shape.min() > 1) {
            throw new SchemaException(
                    "minProperties",
                    shape.minAt(),
                    "a key that the schema does not name may be written twice");
        }
        return chain(new State(0, 0, 0));
    }

    private State next(State state, long place, int some) {
        return new State(place, Math.min(countedTo, state.count + 1), state.some | some);
    }

    private boolean isFull(State state) {
        return shape.max() != Regex.UNBOUNDED && state.count >= shape.max();
    }

    @Override
    List<Move<State>> moves(State state) {
        var moves = new ArrayList<Move<State>>();
        if (ordered) {
            ordered(state, moves);
        } else if (!isFull(state)) {
            free(state, moves);
        }
        return moves;
    }

    private void ordered(State state, List<Move<State>> moves) {
        int place = (int) state.place;
        if (place == members.size()) {
            if (!isFull(state)) {
                others(state, moves);
            }
            return;
        }
        Member member = members.get(place);
        if (!isFull(state)) {
            moves.add(
                    new Move<>(
                            Optional.of(member.expression), next(state, place + 1, member.some)));
        }
        if (!member.required) {
            moves.add(new Move<>(Optional.empty(), new State(place + 1, state.count, state.some)));
        }
    }

    private void free(State state, List<Move<State>> moves) {
        if (exact) {
            for (int i = 0; i < members.size(); i++) {
                if ((state.place >> i & 1) == 0) {
                    Member member = members.get(i);
                    moves.add(
                            new Move<>(
                                    Optional.of(member.expression),
                                    next(state, state.place | 1L << i, member.some)));
                }
            }
        } else {
            if (requiredOrdered) {
                nextRequired(state, required, 0, moves);
                nextRequired(state, listed, LISTED, moves);
            } else {
                anyRequired(state, moves);
            }
            for (Member member : optional) {
                moves.add(
                        new Move<>(
                                Optional.of(member.expression),
                                next(state, state.place, member.some)));
            }
        }
        others(state, moves);
    }

    /// The next in one of the two orders, which is chosen with the first.
    private void nextRequired(State state, List<Member> order, long mark, List<Move<State>> moves) {
        long done = state.place & ~LISTED;
        if (done < order.size() && (done == 0 || (state.place & LISTED) == mark)) {
            Member member = order.get((int) done);
            moves.add(
                    new Move<>(
                            Optional.of(member.expression),
                            next(state, done + 1 | mark, member.some)));
        }
    }

    private void anyRequired(State state, List<Move<State>> moves) {
        for (int i = 0; i < required.size(); i++) {
            Member member = required.get(i);
            if ((state.place >> i & 1) == 0) {
                moves.add(
                        new Move<>(
                                Optional.of(member.expression),
                                next(state, state.place | 1L << i, member.some)));
            }
        }
    }

    /// Keys that no member has, and of those again the ones that a language asks for.
    private void others(State state, List<Move<State>> moves) {
        for (Part part : otherParts()) {
            moves.add(
                    new Move<>(Optional.of(part.expression), next(state, state.place, part.some)));
        }
    }

    private record Part(Expression expression, int some) {}

    private final List<Part> parts = new ArrayList<>();
    private boolean partsMade;

    private List<Part> otherParts() {
        if (partsMade) {
            return parts;
        }
        partsMade = true;
        Regex names =
                shape.members().isEmpty()
                        ? Language.NOTHING
                        : strings().anyOf(shape.members().keySet());
        for (ObjectShape.KeyClass other : shape.others()) {
            boolean clash =
                    shape.members().keySet().stream()
                            .anyMatch(name -> rules.expansion().matches(other.keys(), name));
            Regex keys =
                    clash
                            ? ConstantKeywords.without(strings().resolved(other.keys()), names)
                            : other.keys();
            for (int bits = 0; bits <= allSome; bits++) {
                Regex some = keys;
                for (int i = 0; i < shape.some().size(); i++) {
                    if ((bits >> i & 1) != 0) {
                        some = rules.expansion().both(some, shape.some().get(i));
                    }
                }
                if (bits == 0 || !rules.expansion().isEmpty(some)) {
                    parts.add(new Part(rules.member(Optional.empty(), some, other.value()), bits));
                }
            }
        }
        return parts;
    }

    @Override
    boolean mayEnd(State state) {
        if (state.some != allSome || state.count < countedMin()) {
            return false;
        }
        if (ordered) {
            return state.place == members.size();
        }
        if (exact) {
            for (int i = 0; i < members.size(); i++) {
                if (members.get(i).required && (state.place >> i & 1) == 0) {
                    return false;
                }
            }
            return true;
        }
        return (state.place & ~LISTED)
                == (requiredOrdered ? required.size() : (1L << required.size()) - 1);
    }

    private int countedMin() {
        return shape.min() > required.size() ? shape.min() : 0;
    }
}
