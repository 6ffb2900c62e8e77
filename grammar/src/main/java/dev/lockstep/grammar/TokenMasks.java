// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Which tokens an automaton allows next. Not thread-safe.
///
/// Most of an answer does not depend on stacks: tokens that stay within a terminal, kept for each
/// of its states. Only where a token's bytes go on after the end of the terminal does a walk follow
/// the stack, and only from the few prefixes at which the terminal may end.
final class TokenMasks {
    /// Nodes of the trie that cost as much as one operation.
    private static final int NODES_PER_WORK = 8;

    private static final long CACHE_BYTES = 16L << 20;

    private final Automaton automaton;
    private final RegexArena regexes;
    private final TokenTrie trie;
    private final SliceSteps slices;
    private final List<Configuration> withMask = new ArrayList<>();
    private final List<RegexNode> withStay = new ArrayList<>();
    private long cached;

    private int[] ends = new int[64];
    private RegexNode[] states = new RegexNode[64];
    private Configuration[] places = new Configuration[64];

    TokenMasks(Automaton automaton, TokenTrie trie) {
        this.automaton = automaton;
        this.regexes = automaton.regexes();
        this.trie = trie;
        this.slices = new SliceSteps(regexes);
    }

    TokenSet of(Configuration from) {
        TokenSet known = from.mask;
        if (known != null) {
            return known;
        }
        var mask = new TokenSet(trie.words());
        if (!addByTerminals(from, mask)) {
            walk(trie.all, 0, trie.all.count(), from, mask);
        }
        for (int special : from.specials) {
            if (trie.isSpecial(special)) {
                mask.add(special);
            }
        }
        mask.trim();
        remember(mask.bytes());
        from.mask = mask;
        withMask.add(from);
        return mask;
    }

    private void remember(long bytes) {
        if (cached + bytes > CACHE_BYTES) {
            withMask.forEach(each -> each.mask = null);
            withMask.clear();
            withStay.forEach(each -> each.stay = null);
            withStay.clear();
            cached = 0;
        }
        cached += bytes;
    }

    /// False if the terminals end nearly everywhere, so that one walk of the whole is cheaper.
    private boolean addByTerminals(Configuration from, TokenSet mask) {
        for (int i = 0; i < from.states.length; i++) {
            Stay stay = stay(from.states[i]);
            Configuration resumed = automaton.resumed(from.stacks[i]);
            if (stay.slice() != null) {
                mask.addAll(stay.slice());
            }
            for (Stay.Part part : stay.parts()) {
                mask.addAll(part.inside());
                if (resumed.states.length > 0) {
                    if (part.manyExits()) {
                        return false;
                    }
                    for (int exit : part.exits()) {
                        walk(part.tree(), exit + 1, part.tree().end(exit), resumed, mask);
                    }
                }
            }
        }
        return true;
    }

    private Stay stay(RegexNode state) {
        Stay known = state.stay;
        if (known == null) {
            known = findStay(state);
            state.stay = known;
            withStay.add(state);
        }
        return known;
    }

    private Stay findStay(RegexNode state) {
        for (TokenSlice slice : trie.slices) {
            int run = slices.run(state, slice.kind);
            if (run > 0) {
                boolean counted = slices.isCounted(state, slice.kind);
                RegexNode alike = counted ? slices.forShortTokens(state) : state;
                Stay.Part shorts =
                        alike == state
                                ? findPart(state, slice.shortOthers)
                                : stay(alike).parts()[0];
                return new Stay(slice.upTo(run), shorts, findPart(state, slice.longOthers));
            }
            Stay.Part exceptions = run == 0 ? null : findExceptions(state, slice);
            if (exceptions != null) {
                return new Stay(
                        null,
                        exceptions,
                        findPart(state, slice.shortOthers),
                        findPart(state, slice.longOthers));
            }
        }
        return new Stay(null, findPart(state, trie.all));
    }

    private Stay.Part findPart(RegexNode state, PrefixTree tree) {
        var part = new PartBuilder(tree, new TokenSet(trie.words()));
        follow(state, 0, tree.count(), part, null);
        return part.built();
    }

    /// The tokens of a slice that a state allows, if it allows what begins with most bytes: all of
    /// them but those that begin with another byte, which are looked at. Null if most bytes are
    /// such.
    private Stay.@Nullable Part findExceptions(RegexNode state, TokenSlice slice) {
        PrefixTree tree = slice.members;
        List<Integer> exceptions = new ArrayList<>();
        int tokens = 0;
        for (int node = 0; node < tree.count(); node = tree.end(node)) {
            int lead = tree.valueOf(node);
            RegexNode next = regexes.step(state, regexes.classes.of(lead));
            if (next == regexes.nothing || !slices.endless(next, lead, slice.kind)) {
                exceptions.add(node);
                tokens += tree.endOfAllIds(node) - tree.firstId(node);
                if (2 * tokens > tree.ids()) {
                    return null;
                }
            }
        }
        long[] all = slice.upTo(Integer.MAX_VALUE);
        if (all == null) {
            return null;
        }
        var part = new PartBuilder(tree, new TokenSet(trie.words()));
        part.inside.addAll(all);
        for (int node : exceptions) {
            for (int i = tree.firstId(node); i < tree.endOfAllIds(node); i++) {
                part.inside.removeFromBits(tree.id(i));
            }
            follow(state, node, tree.end(node), part, slice.kind);
        }
        return part.built();
    }

    private final class PartBuilder {
        final PrefixTree tree;
        final TokenSet inside;
        private final int limit;
        private int[] exits = new int[16];
        private int exitCount;

        PartBuilder(PrefixTree tree, TokenSet inside) {
            this.tree = tree;
            this.inside = inside;
            this.limit = Math.max(64, tree.count() / 8);
        }

        void addExit(int node) {
            if (exitCount <= limit) {
                if (exitCount == exits.length) {
                    exits = Arrays.copyOf(exits, 2 * exitCount);
                }
                exits[exitCount++] = node;
            }
        }

        Stay.Part built() {
            inside.trim();
            boolean many = exitCount > limit;
            int[] listed = Arrays.copyOf(exits, many ? 0 : exitCount);
            var part = new Stay.Part(tree, inside, listed, many);
            remember(part.bytes());
            return part;
        }
    }

    /// Follows a terminal's state through the nodes from `first` to before `last`.
    ///
    /// @param slice of which all tokens of the tree are; null if that is not so
    private void follow(
            RegexNode from,
            int first,
            int last,
            PartBuilder part,
            TokenSlice.@Nullable Kind slice) {
        PrefixTree tree = part.tree;
        int depth = 0;
        int node = first;
        int steps = 0;
        ends[0] = last;
        states[0] = from;
        while (true) {
            while (node == ends[depth]) {
                if (depth == 0) {
                    automaton.budget.work(steps / NODES_PER_WORK);
                    return;
                }
                depth--;
            }
            steps++;
            RegexNode next = regexes.step(states[depth], regexes.classes.of(tree.valueOf(node)));
            int end = tree.end(node);
            if (next == regexes.nothing) {
                node = end;
                continue;
            }
            if (slice != null
                    && end > node + 1
                    && !next.nullable
                    && slices.run(next, slice) == Integer.MAX_VALUE) {
                for (int i = tree.firstId(node); i < tree.endOfAllIds(node); i++) {
                    part.inside.add(tree.id(i));
                }
                node = end;
                continue;
            }
            add(tree, node, part.inside);
            if (end > node + 1) {
                if (next.nullable) {
                    part.addExit(node);
                }
                depth++;
                if (depth == ends.length) {
                    grow();
                }
                ends[depth] = end;
                states[depth] = next;
            }
            node++;
        }
    }

    /// Adds the tokens below a node whose bytes, from there on, lead somewhere.
    private void walk(PrefixTree tree, int first, int last, Configuration from, TokenSet tokens) {
        int depth = 0;
        int node = first;
        int steps = 0;
        ends[0] = last;
        places[0] = from;
        while (true) {
            while (node == ends[depth]) {
                if (depth == 0) {
                    automaton.budget.work(steps / NODES_PER_WORK);
                    return;
                }
                depth--;
            }
            steps++;
            Configuration next = automaton.step(places[depth], tree.valueOf(node));
            int end = tree.end(node);
            if (next.isDead()) {
                node = end;
                continue;
            }
            add(tree, node, tokens);
            if (end > node + 1) {
                depth++;
                if (depth == ends.length) {
                    grow();
                }
                ends[depth] = end;
                places[depth] = next;
            }
            node++;
        }
    }

    private void grow() {
        ends = Arrays.copyOf(ends, 2 * ends.length);
        states = Arrays.copyOf(states, 2 * states.length);
        places = Arrays.copyOf(places, 2 * places.length);
    }

    private static void add(PrefixTree tree, int node, TokenSet tokens) {
        for (int i = tree.firstId(node); i < tree.endOfIds(node); i++) {
            tokens.add(tree.id(i));
        }
    }
}
