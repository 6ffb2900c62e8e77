// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import dev.lockstep.grammar.RegexNode.Kind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The regular languages of one grammar in a normal form: what is equal by the laws applied here is
/// one node, so that the derivatives of a language are finitely many.
final class RegexArena {
    /// A language with more parts is not joined with its neighbours.
    static final int LARGE = 1_000;

    /// Stands for no one node.
    static final RegexNode UNEVEN =
            new RegexNode(-1, Kind.NOTHING, false, false, 0, RegexNode.NONE, null, 0, 0);

    private static final int FACTOR_DEPTH = 200;
    private static final int NODE_BYTES = 120;

    private record Key(Kind kind, List<RegexNode> items, @Nullable BitSet set, int min, int max) {}

    private final Map<Key, RegexNode> nodes = new HashMap<>();
    final Budget budget;
    final ByteClasses classes;
    final RegexNode nothing;
    final RegexNode empty;
    final RegexNode all;
    private final Derivatives derivatives = new Derivatives(this);
    private final CountedTexts counted = new CountedTexts(this, derivatives);
    private boolean compiling = true;

    /// By id, what the grammar consists of.
    private RegexNode[] originals = RegexNode.NONE;

    RegexArena(Budget budget, Collection<BitSet> sets) {
        this.budget = budget;
        this.classes = new ByteClasses(sets);
        nothing = node(Kind.NOTHING, null, 0, 0);
        empty = node(Kind.EMPTY, null, 0, 0);
        all = node(Kind.COMPLEMENT, null, 0, 0, nothing);
    }

    int count() {
        return nodes.size();
    }

    /// From here on nodes are derived ones, which only the limit of memory bounds.
    void compiled() {
        compiling = false;
        originals = nodes.values().toArray(RegexNode.NONE);
        Arrays.sort(originals, (a, b) -> Integer.compare(a.id, b.id));
    }

    /// A node of another arena of the same grammar, with its parts in this one.
    RegexNode rebuilt(RegexNode other, RegexNode... items) {
        if (other.id < originals.length) {
            return originals[other.id];
        }
        return switch (other.kind) {
            case UNION -> combined(Kind.UNION, new LinkedHashSet<>(Arrays.asList(items)), nothing);
            case INTERSECTION ->
                    combined(Kind.INTERSECTION, new LinkedHashSet<>(Arrays.asList(items)), all);
            case NOTHING, EMPTY, BYTES, CONCATENATION, COMPLEMENT, REPEAT ->
                    node(other.kind, other.set, other.min, other.max, items);
        };
    }

    private RegexNode node(Kind kind, @Nullable BitSet set, int min, int max, RegexNode... items) {
        budget.work(1);
        var key = new Key(kind, Arrays.asList(items), set, min, max);
        RegexNode known = nodes.get(key);
        if (known != null) {
            return known;
        }
        boolean nullable =
                switch (kind) {
                    case NOTHING, BYTES -> false;
                    case EMPTY -> true;
                    case CONCATENATION -> items[0].nullable && items[1].nullable;
                    case UNION -> anyNullable(items);
                    case INTERSECTION -> !anyNotNullable(items);
                    case COMPLEMENT -> !items[0].nullable;
                    case REPEAT -> min == 0;
                };
        boolean opaque = kind == Kind.INTERSECTION || kind == Kind.COMPLEMENT;
        int depth = 0;
        for (int i = 0; i < items.length; i++) {
            opaque |= items[i].opaque;
            boolean tail = kind == Kind.CONCATENATION && i == 1;
            depth = Math.max(depth, items[i].depth + (tail ? 0 : 1));
        }
        // derivatives nest a little deeper than what they come from
        budget.checkDepth(compiling ? depth : depth / 4);
        budget.allocate(NODE_BYTES + 8L * items.length + (set == null ? 0 : 64));
        if (compiling) {
            budget.checkNodes(nodes.size());
        }
        var node = new RegexNode(nodes.size(), kind, nullable, opaque, depth, items, set, min, max);
        nodes.put(key, node);
        return node;
    }

    private static boolean anyNullable(RegexNode... items) {
        for (RegexNode item : items) {
            if (item.nullable) {
                return true;
            }
        }
        return false;
    }

    private static boolean anyNotNullable(RegexNode... items) {
        for (RegexNode item : items) {
            if (!item.nullable) {
                return true;
            }
        }
        return false;
    }

    RegexNode bytes(BitSet set) {
        return set.isEmpty() ? nothing : node(Kind.BYTES, set, 0, 0);
    }

    RegexNode concatenation(RegexNode first, RegexNode second) {
        if (first == nothing || second == nothing) {
            return nothing;
        }
        if (first == empty) {
            return second;
        }
        if (second == empty) {
            return first;
        }
        if (first.kind != Kind.CONCATENATION) {
            return join(first, second);
        }
        List<RegexNode> spine = new ArrayList<>();
        RegexNode rest = first;
        while (rest.kind == Kind.CONCATENATION) {
            spine.add(rest.head());
            rest = rest.tail();
        }
        RegexNode result = join(rest, second);
        for (RegexNode each : spine.reversed()) {
            result = join(each, result);
        }
        return result;
    }

    private RegexNode join(RegexNode head, RegexNode tail) {
        RegexNode next = tail.kind == Kind.CONCATENATION ? tail.head() : tail;
        if (head == all && next == all) {
            return tail;
        }
        if (head.kind == Kind.REPEAT
                && next.kind == Kind.REPEAT
                && next.head() == head.head()
                && head.min <= Integer.MAX_VALUE - next.min) {
            RegexNode both = repeat(head.head(), head.min + next.min, sum(head.max, next.max));
            return next == tail ? both : join(both, tail.tail());
        }
        return node(Kind.CONCATENATION, null, 0, 0, head, tail);
    }

    /// As for [#repeat], no sum beyond int matters.
    private static int sum(int max, int other) {
        return max == Regex.UNBOUNDED || other == Regex.UNBOUNDED || max > Integer.MAX_VALUE - other
                ? Regex.UNBOUNDED
                : max + other;
    }

    RegexNode union(Collection<RegexNode> options) {
        return union(options, 0);
    }

    private RegexNode union(Collection<RegexNode> options, int level) {
        Set<RegexNode> flat = new LinkedHashSet<>();
        for (RegexNode option : options) {
            budget.work(1 + option.items.length);
            if (option.kind == Kind.UNION) {
                flat.addAll(Arrays.asList(option.items));
            } else if (option != nothing) {
                flat.add(option);
            }
        }
        budget.work(flat.size());
        if (flat.size() > 1) {
            flat = joined(flat, level);
        }
        if (flat.contains(all)) {
            return all;
        }
        return combined(Kind.UNION, flat, nothing);
    }

    /// Joins options that begin alike, sets of bytes, and repetitions of one item whose numbers of
    /// times touch.
    private Set<RegexNode> joined(Set<RegexNode> options, int level) {
        Set<RegexNode> result = new LinkedHashSet<>();
        BitSet set = null;
        Map<RegexNode, List<RegexNode>> tails = new LinkedHashMap<>();
        Map<List<RegexNode>, RegexNode> repeats = new LinkedHashMap<>();
        for (RegexNode option : options) {
            RegexNode head = option.kind == Kind.CONCATENATION ? option.head() : option;
            if (option.kind == Kind.BYTES) {
                if (set == null) {
                    set = new BitSet(256);
                }
                set.or(Objects.requireNonNull(option.set));
            } else if (head.kind == Kind.REPEAT) {
                RegexNode tail = option == head ? empty : option.tail();
                RegexNode other = repeats.get(List.of(head.head(), tail));
                RegexNode both = other == null ? head : touching(other, head);
                if (both == null) {
                    result.add(option);
                } else {
                    repeats.put(List.of(head.head(), tail), both);
                }
            } else if (option.kind == Kind.CONCATENATION && level < FACTOR_DEPTH) {
                tails.computeIfAbsent(head, _ -> new ArrayList<>()).add(option.tail());
            } else {
                result.add(option);
            }
        }
        if (set != null) {
            result.add(bytes(set));
        }
        for (Map.Entry<List<RegexNode>, RegexNode> each : repeats.entrySet()) {
            result.add(concatenation(each.getValue(), each.getKey().get(1)));
        }
        for (Map.Entry<RegexNode, List<RegexNode>> each : tails.entrySet()) {
            List<RegexNode> rest = each.getValue();
            RegexNode tail = rest.size() == 1 ? rest.getFirst() : union(rest, level + 1);
            result.add(concatenation(each.getKey(), tail));
        }
        return result;
    }

    private @Nullable RegexNode touching(RegexNode one, RegexNode other) {
        long oneLast = last(one.max);
        long otherLast = last(other.max);
        if (one.min > otherLast + 1 || other.min > oneLast + 1) {
            return null;
        }
        int max =
                one.max == Regex.UNBOUNDED || other.max == Regex.UNBOUNDED
                        ? Regex.UNBOUNDED
                        : Math.max(one.max, other.max);
        return repeat(one.head(), Math.min(one.min, other.min), max);
    }

    static long last(int max) {
        return max == Regex.UNBOUNDED ? Long.MAX_VALUE - 1 : max;
    }

    RegexNode intersection(Collection<RegexNode> all) {
        Set<RegexNode> flat = new LinkedHashSet<>();
        BitSet set = null;
        for (RegexNode each : all) {
            budget.work(1 + each.items.length);
            for (RegexNode item : each.kind == Kind.INTERSECTION ? each.items : one(each)) {
                if (item == nothing) {
                    return nothing;
                }
                if (item.kind == Kind.BYTES) {
                    if (set == null) {
                        set = new BitSet(256);
                        set.set(0, 256);
                    }
                    set.and(Objects.requireNonNull(item.set));
                } else if (item != this.all) {
                    flat.add(item);
                }
            }
        }
        if (set != null) {
            flat.add(bytes(set));
        }
        counted.joinRepeats(flat);
        if (flat.contains(nothing)) {
            return nothing;
        }
        if (flat.contains(empty)) {
            return anyNotNullable(flat.toArray(RegexNode.NONE)) ? nothing : empty;
        }
        return combined(Kind.INTERSECTION, flat, this.all);
    }

    private static RegexNode[] one(RegexNode node) {
        return new RegexNode[] {node};
    }

    private RegexNode combined(Kind kind, Set<RegexNode> items, RegexNode ofNone) {
        if (items.isEmpty()) {
            return ofNone;
        }
        if (items.size() == 1) {
            return items.iterator().next();
        }
        RegexNode[] sorted = items.toArray(RegexNode.NONE);
        Arrays.sort(sorted, (a, b) -> Integer.compare(a.id, b.id));
        budget.work(sorted.length);
        return node(kind, null, 0, 0, sorted);
    }

    RegexNode complement(RegexNode of) {
        return of.kind == Kind.COMPLEMENT ? of.head() : node(Kind.COMPLEMENT, null, 0, 0, of);
    }

    RegexNode repeat(RegexNode item, int min, int max) {
        if (item == empty || max == 0) {
            return empty;
        }
        if (item == nothing) {
            return min == 0 ? empty : nothing;
        }
        int least = item.nullable ? 0 : min;
        if (least == 1 && max == 1) {
            return item;
        }
        if ((max == 1 && item.nullable) || item == all) {
            return item;
        }
        if (item.kind == Kind.REPEAT && item.min == 0) {
            // x{0,m} repeated n times is x{0,m·n}; no text has so many bytes that a product
            // beyond int matters
            long product = (long) item.max * max;
            boolean endless =
                    item.max == Regex.UNBOUNDED
                            || max == Regex.UNBOUNDED
                            || product > Integer.MAX_VALUE;
            return repeat(item.head(), 0, endless ? Regex.UNBOUNDED : (int) product);
        }
        if (least == 0 && max == Regex.UNBOUNDED) {
            return node(Kind.REPEAT, null, 0, max, repeatedForever(item));
        }
        return node(Kind.REPEAT, null, least, max, item);
    }

    /// A plainer item with the same star: parts that may all be empty stand for themselves, and
    /// what is repeated within needs no repetition of its own.
    private RegexNode repeatedForever(RegexNode item) {
        List<RegexNode> options = new ArrayList<>();
        if (item.kind == Kind.CONCATENATION && item.nullable) {
            RegexNode rest = item;
            for (; rest.kind == Kind.CONCATENATION; rest = rest.tail()) {
                options.add(rest.head());
            }
            options.add(rest);
        } else if (item.kind == Kind.UNION) {
            options.addAll(Arrays.asList(item.items));
        } else {
            return item;
        }
        List<RegexNode> plain = new ArrayList<>();
        boolean changed = item.kind != Kind.UNION;
        for (RegexNode option : options) {
            boolean repeated = option.kind == Kind.REPEAT && option.min <= 1;
            changed |= repeated || option == empty;
            if (option != empty) {
                plain.add(repeated ? option.head() : option);
            }
        }
        return changed ? repeatedForever(union(plain)) : item;
    }

    /// What may follow a byte of this class; [#nothing] if no text goes on so.
    RegexNode step(RegexNode node, int byteClass) {
        return derivatives.step(node, byteClass);
    }

    /// Whether the language has any text.
    boolean alive(RegexNode node) {
        return derivatives.alive(node);
    }
}
