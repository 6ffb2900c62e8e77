// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;

/// The pushdown automaton of a grammar, made as far as texts lead into it. Not thread-safe.
final class Automaton {
    static final int NO_BYTE = -1;
    static final int SEVERAL = -2;

    private static final int MERGE_DEPTH = 200;
    private static final int OBJECT_BYTES = 100;

    /// Collects the members of a configuration.
    private static final class Members {
        final Map<RegexNode, Stacks> states = new HashMap<>();
        final TreeMap<Integer, Stacks> specials = new TreeMap<>();
        boolean accepting;
    }

    private record Key(List<Stacks.Frame> frames, boolean bottom) {}

    private record Pair(Stacks one, Stacks other) {}

    private final ExpressionArena arena;
    private final RegexArena regexes;
    private final ExpressionNode[] rules;
    private final Map<Key, Stacks> stacks = new HashMap<>();
    private final Map<Pair, Stacks> unions = new HashMap<>();
    private final Map<Configuration, Configuration> configurations = new HashMap<>();
    private final Stacks bottom;
    final Budget budget;
    final Configuration start;
    final Configuration dead;

    Automaton(NormalGrammar grammar) {
        arena = grammar.arena();
        regexes = arena.regexes;
        rules = grammar.rules();
        budget = arena.budget;
        arena.compiled();
        bottom = stacks(List.of(), true);
        dead = configuration(new Members());
        var members = new Members();
        enter(grammar.startRule(), bottom, members);
        members.accepting = grammar.startRule().nullable;
        start = configuration(members);
    }

    RegexArena regexes() {
        return regexes;
    }

    ExpressionArena expressions() {
        return arena;
    }

    /// Where a byte leads.
    Configuration step(Configuration from, int value) {
        return stepClass(from, regexes.classes.of(value));
    }

    Configuration stepClass(Configuration from, int byteClass) {
        Configuration[] row = from.next;
        if (row == null) {
            budget.allocate(16 + 4L * regexes.classes.count());
            row = new Configuration[regexes.classes.count()];
            from.next = row;
        }
        Configuration next = row[byteClass];
        if (next == null) {
            next = derive(from, byteClass);
            row[byteClass] = next;
        }
        return next;
    }

    private Configuration derive(Configuration from, int byteClass) {
        var members = new Members();
        for (int i = 0; i < from.states.length; i++) {
            budget.work(1);
            RegexNode state = regexes.step(from.states[i], byteClass);
            if (state != regexes.nothing) {
                add(members, state, from.stacks[i]);
                if (state.nullable) {
                    addAll(members, resumed(from.stacks[i]));
                }
            }
        }
        return configuration(members);
    }

    /// Where a special token leads.
    Configuration special(Configuration from, int id) {
        int place = Arrays.binarySearch(from.specials, id);
        return place < 0 ? dead : resumed(from.afterSpecials[place]);
    }

    /// The only byte that can come next, if it is one and nothing else can come, nor the end.
    int onlyByte(Configuration from) {
        Integer known = from.onlyByte;
        if (known == null) {
            known = findOnlyByte(from);
            from.onlyByte = known;
        }
        return known;
    }

    /// Derives what each byte leads to from the start.
    void tryStart() {
        for (int c = 0; c < regexes.classes.count(); c++) {
            budget.beginCall();
            stepClass(start, c);
        }
    }

    /// Whether any byte can come next.
    boolean anyByte(Configuration from) {
        for (int c = 0; c < regexes.classes.count(); c++) {
            if (stepsAny(from, c)) {
                return true;
            }
        }
        return false;
    }

    private boolean stepsAny(Configuration from, int byteClass) {
        for (RegexNode state : from.states) {
            if (regexes.step(state, byteClass) != regexes.nothing) {
                return true;
            }
        }
        return false;
    }

    private int findOnlyByte(Configuration from) {
        if (from.accepting || from.specials.length > 0) {
            return SEVERAL;
        }
        int only = NO_BYTE;
        for (int value = 0; value < 256; value++) {
            if (stepsAny(from, regexes.classes.of(value))) {
                if (only != NO_BYTE) {
                    return SEVERAL;
                }
                only = value;
            }
        }
        return only;
    }

    /// Where a text is that has just ended a terminal, with these stacks to go on with.
    Configuration resumed(Stacks from) {
        Configuration known = from.resumed;
        if (known != null) {
            return known;
        }
        var members = new Members();
        Set<Stacks> seen = new HashSet<>();
        Deque<Stacks> open = new ArrayDeque<>();
        open.push(from);
        while (!open.isEmpty()) {
            Stacks each = open.pop();
            if (!seen.add(each)) {
                continue;
            }
            budget.work(1);
            if (each.resumed != null) {
                addAll(members, each.resumed);
                continue;
            }
            members.accepting |= each.bottom;
            for (Stacks.Frame frame : each.frames) {
                enter(frame.rest(), frame.below(), members);
                if (frame.rest().nullable) {
                    open.push(frame.below());
                }
            }
        }
        Configuration result = configuration(members);
        from.resumed = result;
        return result;
    }

    /// Adds the terminals and special tokens that `start` can begin with, not counting that it may
    /// be empty.
    private void enter(ExpressionNode start, Stacks below, Members members) {
        Set<Stacks.Frame> seen = new HashSet<>();
        Deque<Stacks.Frame> open = new ArrayDeque<>();
        open.push(new Stacks.Frame(start, below));
        while (!open.isEmpty()) {
            Stacks.Frame frame = open.pop();
            ExpressionNode node = frame.rest();
            Stacks under = frame.below();
            budget.work(1);
            switch (node.kind) {
                case EMPTY -> {}
                case TERMINAL -> add(members, Objects.requireNonNull(node.regex), under);
                case SPECIAL -> members.specials.merge(node.number, under, this::union);
                case REFERENCE -> enterOnce(rules[node.number], under, seen, open);
                case CHOICE -> {
                    for (ExpressionNode option : node.items) {
                        enterOnce(option, under, seen, open);
                    }
                }
                case SEQUENCE -> {
                    enterOnce(node.head(), push(node.tail(), under), seen, open);
                    if (node.head().nullable) {
                        enterOnce(node.tail(), under, seen, open);
                    }
                }
                case REPEAT ->
                        enterOnce(node.head(), push(arena.afterOne(node), under), seen, open);
            }
        }
    }

    private static void enterOnce(
            ExpressionNode node, Stacks below, Set<Stacks.Frame> seen, Deque<Stacks.Frame> open) {
        var frame = new Stacks.Frame(node, below);
        if (seen.add(frame)) {
            open.push(frame);
        }
    }

    private Stacks push(ExpressionNode rest, Stacks below) {
        if (rest.kind == ExpressionNode.Kind.EMPTY) {
            return below;
        }
        boolean star =
                rest.kind == ExpressionNode.Kind.REPEAT
                        && rest.nullable
                        && rest.max == Regex.UNBOUNDED;
        if (star && !below.bottom && below.frames.length == 1 && below.frames[0].rest() == rest) {
            // a repetition before itself is itself
            return below;
        }
        return stacks(List.of(new Stacks.Frame(rest, below)), false);
    }

    private void add(Members members, RegexNode state, Stacks below) {
        if (state != regexes.empty) {
            budget.work(1);
            members.states.merge(state, below, this::union);
        }
    }

    private void addAll(Members members, Configuration other) {
        for (int i = 0; i < other.states.length; i++) {
            add(members, other.states[i], other.stacks[i]);
        }
        for (int i = 0; i < other.specials.length; i++) {
            members.specials.merge(other.specials[i], other.afterSpecials[i], this::union);
        }
        members.accepting |= other.accepting;
    }

    private Stacks union(Stacks one, Stacks other) {
        return union(one, other, 0);
    }

    /// Frames of both; those with the same rest become one frame, unless that goes too deep.
    private Stacks union(Stacks one, Stacks other, int depth) {
        if (one == other) {
            return one;
        }
        var pair = new Pair(one, other);
        Stacks known = unions.get(pair);
        if (known != null) {
            return known;
        }
        List<Stacks.Frame> frames = new ArrayList<>(Arrays.asList(one.frames));
        for (Stacks.Frame frame : other.frames) {
            int same = depth < MERGE_DEPTH ? indexOf(frames, frame.rest()) : -1;
            if (same >= 0) {
                Stacks below = union(frames.get(same).below(), frame.below(), depth + 1);
                frames.set(same, new Stacks.Frame(frame.rest(), below));
            } else if (!frames.contains(frame)) {
                frames.add(frame);
            }
            budget.work(1 + frames.size());
        }
        frames.sort(
                (a, b) ->
                        a.rest() == b.rest()
                                ? Integer.compare(a.below().id, b.below().id)
                                : Integer.compare(a.rest().id, b.rest().id));
        Stacks result = stacks(frames, one.bottom || other.bottom);
        budget.allocate(OBJECT_BYTES);
        unions.put(pair, result);
        return result;
    }

    private static int indexOf(List<Stacks.Frame> frames, ExpressionNode rest) {
        for (int i = 0; i < frames.size(); i++) {
            if (frames.get(i).rest() == rest) {
                return i;
            }
        }
        return -1;
    }

    /// @param frames not to be changed any more
    Stacks stacks(List<Stacks.Frame> frames, boolean withBottom) {
        var key = new Key(frames, withBottom);
        Stacks known = stacks.get(key);
        if (known == null) {
            budget.allocate(2 * OBJECT_BYTES + 32L * frames.size());
            known = new Stacks(stacks.size(), frames.toArray(new Stacks.Frame[0]), withBottom);
            stacks.put(key, known);
        }
        return known;
    }

    Configuration configuration(
            RegexNode[] states,
            Stacks[] below,
            int[] specials,
            Stacks[] afterSpecials,
            boolean accepting) {
        var members = new Members();
        for (int i = 0; i < states.length; i++) {
            members.states.put(states[i], below[i]);
        }
        for (int i = 0; i < specials.length; i++) {
            members.specials.put(specials[i], afterSpecials[i]);
        }
        members.accepting = accepting;
        return configuration(members);
    }

    private Configuration configuration(Members members) {
        RegexNode[] states = members.states.keySet().toArray(RegexNode.NONE);
        Arrays.sort(states, (a, b) -> Integer.compare(a.id, b.id));
        Stacks[] below = new Stacks[states.length];
        for (int i = 0; i < states.length; i++) {
            below[i] = Objects.requireNonNull(members.states.get(states[i]));
        }
        int[] specials = members.specials.keySet().stream().mapToInt(each -> each).toArray();
        var made =
                new Configuration(
                        states,
                        below,
                        specials,
                        members.specials.values().toArray(new Stacks[0]),
                        members.accepting);
        Configuration known = configurations.putIfAbsent(made, made);
        if (known != null) {
            return known;
        }
        budget.allocate(2 * OBJECT_BYTES + 16L * (states.length + specials.length));
        return made;
    }
}
