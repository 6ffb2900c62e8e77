// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/// Moves a configuration to another automaton of the same grammar, with only what it needs itself.
///
/// Both automata were made from the same bytes, so what the grammar consists of has the same ids in
/// both; what was derived since then is built anew.
final class Move {
    private final Automaton target;
    private final Map<RegexNode, RegexNode> regexes = new HashMap<>();
    private final Map<Stacks, Stacks> stacks = new HashMap<>();

    Move(Automaton target) {
        this.target = target;
    }

    Configuration of(Configuration from) {
        moveRegexes(from);
        moveStacks(from);
        Stacks[] below = new Stacks[from.stacks.length];
        RegexNode[] states = new RegexNode[from.states.length];
        for (int i = 0; i < states.length; i++) {
            states[i] = Objects.requireNonNull(regexes.get(from.states[i]));
            below[i] = Objects.requireNonNull(stacks.get(from.stacks[i]));
        }
        Stacks[] afterSpecials = new Stacks[from.specials.length];
        for (int i = 0; i < afterSpecials.length; i++) {
            afterSpecials[i] = Objects.requireNonNull(stacks.get(from.afterSpecials[i]));
        }
        return target.configuration(states, below, from.specials, afterSpecials, from.accepting);
    }

    private void moveRegexes(Configuration from) {
        Deque<RegexNode> open = new ArrayDeque<>(List.of(from.states));
        Set<RegexNode> needed = new HashSet<>();
        while (!open.isEmpty()) {
            RegexNode node = open.pop();
            if (needed.add(node)) {
                open.addAll(List.of(node.items));
            }
        }
        List<RegexNode> sorted = new ArrayList<>(needed);
        sorted.sort(Comparator.comparingInt(each -> each.id));
        for (RegexNode node : sorted) {
            RegexNode[] items = new RegexNode[node.items.length];
            for (int i = 0; i < items.length; i++) {
                items[i] = Objects.requireNonNull(regexes.get(node.items[i]));
            }
            regexes.put(node, target.regexes().rebuilt(node, items));
        }
    }

    private void moveStacks(Configuration from) {
        Deque<Stacks> open = new ArrayDeque<>(List.of(from.stacks));
        open.addAll(List.of(from.afterSpecials));
        Set<Stacks> needed = new HashSet<>();
        while (!open.isEmpty()) {
            Stacks each = open.pop();
            if (needed.add(each)) {
                for (Stacks.Frame frame : each.frames) {
                    open.push(frame.below());
                }
            }
        }
        List<Stacks> sorted = new ArrayList<>(needed);
        sorted.sort(Comparator.comparingInt(each -> each.id));
        for (Stacks each : sorted) {
            List<Stacks.Frame> frames = new ArrayList<>();
            for (Stacks.Frame frame : each.frames) {
                frames.add(
                        new Stacks.Frame(
                                target.expressions().rebuilt(frame.rest()),
                                Objects.requireNonNull(stacks.get(frame.below()))));
            }
            stacks.put(each, target.stacks(frames, each.bottom));
        }
    }
}
