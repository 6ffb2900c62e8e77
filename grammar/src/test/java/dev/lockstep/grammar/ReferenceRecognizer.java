// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/// Says slowly and plainly what a grammar matches: sets of end positions, grown until they no
/// longer change. A text is an array of bytes 0 to 255 and of special tokens, as 256 and the id.
final class ReferenceRecognizer {
    static final int SPECIAL = 256;

    /// How many more bytes may be needed before a language with complements has a text.
    private static final int LOOK_AHEAD = 5;

    private record At(Object part, int position) {}

    private record Begin(Regex regex, List<Integer> bytes) {}

    private final Grammar grammar;
    private final int[] alphabet;
    private final Map<Begin, Boolean> begins = new HashMap<>();

    ReferenceRecognizer(Grammar grammar, int... alphabet) {
        this.grammar = grammar;
        this.alphabet = alphabet;
    }

    boolean matches(int... text) {
        return new Run(text).ends(start(), 0).get(text.length);
    }

    /// Whether some text of the grammar begins so.
    boolean isPrefix(int... text) {
        var run = new Run(text);
        run.settle(start());
        return run.viable(start(), 0);
    }

    private Expression start() {
        return Objects.requireNonNull(grammar.rules().get(grammar.start()));
    }

    /// One text; results of the round before serve the next one.
    private final class Run {
        private final int[] text;
        private final Map<At, BitSet> ends = new HashMap<>();
        private final Map<At, Boolean> viable = new HashMap<>();
        private final Map<At, Boolean> visited = new HashMap<>();
        private final Map<At, Boolean> visitedForViable = new HashMap<>();
        private boolean changed;

        Run(int... text) {
            this.text = text;
        }

        BitSet ends(Expression part, int from) {
            settle(part);
            return find(part, from);
        }

        void settle(Expression part) {
            do {
                changed = false;
                visited.clear();
                for (int i = text.length; i >= 0; i--) {
                    find(part, i);
                }
            } while (changed);
            do {
                changed = false;
                visited.clear();
                visitedForViable.clear();
                for (int i = text.length; i >= 0; i--) {
                    findViable(part, i);
                }
            } while (changed);
        }

        boolean viable(Expression part, int from) {
            return viable.getOrDefault(new At(part, from), false);
        }

        private BitSet find(Expression part, int from) {
            var at = new At(part, from);
            BitSet known = ends.computeIfAbsent(at, _ -> new BitSet());
            if (visited.put(at, true) != null) {
                return known;
            }
            var found = new BitSet();
            switch (part) {
                case Expression.Terminal terminal -> {
                    for (int to = from; to <= text.length; to++) {
                        if (matches(terminal.regex(), text, from, to)) {
                            found.set(to);
                        }
                    }
                }
                case Expression.Special special -> {
                    if (from < text.length && text[from] == SPECIAL + special.id()) {
                        found.set(from + 1);
                    }
                }
                case Expression.Sequence sequence -> {
                    found.set(from);
                    for (Expression item : sequence.items()) {
                        found = after(found, item);
                    }
                }
                case Expression.Choice choice -> {
                    for (Expression option : choice.options()) {
                        found.or(find(option, from));
                    }
                }
                case Expression.Repeat repeat -> {
                    var at0 = new BitSet();
                    at0.set(from);
                    int last =
                            repeat.max() == Regex.UNBOUNDED
                                    ? repeat.min() + text.length + 1
                                    : repeat.max();
                    for (int times = 0; times <= last; times++) {
                        if (times >= repeat.min()) {
                            found.or(at0);
                        }
                        at0 = after(at0, repeat.item());
                    }
                }
                case Expression.Reference reference -> found.or(find(rule(reference.rule()), from));
            }
            found.or(known);
            if (!found.equals(known)) {
                changed = true;
                known.or(found);
            }
            return known;
        }

        private BitSet after(BitSet starts, Expression item) {
            var result = new BitSet();
            for (int each = starts.nextSetBit(0); each >= 0; each = starts.nextSetBit(each + 1)) {
                result.or(find(item, each));
            }
            return result;
        }

        /// Whether the rest of the text from here can be made a text of the part by adding to it.
        private boolean findViable(Expression part, int from) {
            var at = new At(part, from);
            if (viable.getOrDefault(at, false)) {
                return true;
            }
            if (visitedForViable.put(at, true) != null) {
                return false;
            }
            boolean found =
                    switch (part) {
                        case Expression.Terminal terminal -> viable(terminal.regex(), from);
                        case Expression.Special special ->
                                from == text.length
                                        || (from == text.length - 1
                                                && text[from] == SPECIAL + special.id());
                        case Expression.Sequence sequence -> viable(sequence.items(), 0, from);
                        case Expression.Choice choice -> {
                            boolean any = false;
                            for (Expression option : choice.options()) {
                                any |= findViable(option, from);
                            }
                            yield any;
                        }
                        case Expression.Repeat repeat -> {
                            int times =
                                    repeat.max() == Regex.UNBOUNDED
                                            ? repeat.min() + text.length + 1
                                            : repeat.max();
                            yield viableTimes(repeat, times, from);
                        }
                        case Expression.Reference reference ->
                                findViable(rule(reference.rule()), from);
                    };
            if (found) {
                changed = true;
                viable.put(at, true);
            }
            return found;
        }

        private boolean viable(List<Expression> items, int index, int from) {
            if (index == items.size()) {
                return from == text.length;
            }
            Expression item = items.get(index);
            boolean any = false;
            BitSet starts = find(item, from);
            for (int to = starts.nextSetBit(0); to >= 0; to = starts.nextSetBit(to + 1)) {
                any |= viable(items, index + 1, to);
            }
            if (findViable(item, from)) {
                boolean rest = true;
                for (int i = index + 1; i < items.size(); i++) {
                    rest &= findViable(items.get(i), text.length);
                }
                any |= rest;
            }
            return any;
        }

        private boolean viableTimes(Expression.Repeat repeat, int times, int from) {
            BitSet starts = new BitSet();
            starts.set(from);
            boolean productive = findViable(repeat.item(), text.length);
            for (int done = 0; done <= times; done++) {
                boolean enough = done >= repeat.min() || productive;
                if (starts.get(text.length) && enough) {
                    return true;
                }
                if (done == times) {
                    return false;
                }
                boolean enoughAfter = done + 1 >= repeat.min() || productive;
                for (int each = starts.nextSetBit(0);
                        each >= 0;
                        each = starts.nextSetBit(each + 1)) {
                    if (enoughAfter && findViable(repeat.item(), each)) {
                        return true;
                    }
                }
                starts = after(starts, repeat.item());
            }
            return false;
        }

        private boolean viable(Regex regex, int from) {
            for (int i = from; i < text.length; i++) {
                if (text[i] >= SPECIAL) {
                    return false;
                }
            }
            return beginsSome(regex, Arrays.copyOfRange(text, from, text.length));
        }
    }

    /// Whether some text of the language begins with these bytes.
    private boolean beginsSome(Regex regex, int... begin) {
        var key = new Begin(regex, Arrays.stream(begin).boxed().toList());
        Boolean known = begins.get(key);
        if (known == null) {
            known =
                    (begin.length == 0 || beginsSome(regex, Arrays.copyOf(begin, begin.length - 1)))
                            && canBeEnded(regex, begin, LOOK_AHEAD);
            begins.put(key, known);
        }
        return known;
    }

    private boolean canBeEnded(Regex regex, int[] begin, int more) {
        if (matches(regex, begin, 0, begin.length)) {
            return true;
        }
        for (int i = 0; i < alphabet.length && more > 0; i++) {
            int[] next = Arrays.copyOf(begin, begin.length + 1);
            next[begin.length] = alphabet[i];
            if (canBeEnded(regex, next, more - 1)) {
                return true;
            }
        }
        return false;
    }

    private Expression rule(String name) {
        return Objects.requireNonNull(grammar.rules().get(name));
    }

    /// Whether the language has the bytes from `from` to before `to`.
    static boolean matches(Regex regex, int[] text, int from, int to) {
        for (int i = from; i < to; i++) {
            if (text[i] >= SPECIAL) {
                return false;
            }
        }
        return switch (regex) {
            case Regex.Bytes bytes -> to == from + 1 && bytes.set().get(text[from]);
            case Regex.Sequence sequence -> matches(sequence.items(), text, from, to);
            case Regex.Union union ->
                    union.options().stream().anyMatch(each -> matches(each, text, from, to));
            case Regex.Intersection intersection ->
                    intersection.all().stream().allMatch(each -> matches(each, text, from, to));
            case Regex.Complement complement -> !matches(complement.of(), text, from, to);
            case Regex.Repeat repeat -> repeats(repeat, repeat.min(), repeat.max(), text, from, to);
        };
    }

    private static boolean matches(List<Regex> items, int[] text, int from, int to) {
        if (items.isEmpty()) {
            return from == to;
        }
        for (int middle = from; middle <= to; middle++) {
            if (matches(items.getFirst(), text, from, middle)
                    && matches(items.subList(1, items.size()), text, middle, to)) {
                return true;
            }
        }
        return false;
    }

    private static boolean repeats(
            Regex.Repeat repeat, int min, int max, int[] text, int from, int to) {
        if (from == to && (min == 0 || matches(repeat.item(), text, from, from))) {
            return true;
        }
        if (max == 0) {
            return false;
        }
        for (int middle = from + 1; middle <= to; middle++) {
            if (matches(repeat.item(), text, from, middle)
                    && repeats(
                            repeat,
                            Math.max(0, min - 1),
                            max == Regex.UNBOUNDED ? max : max - 1,
                            text,
                            middle,
                            to)) {
                return true;
            }
        }
        // times that take no byte
        return min > 0
                && matches(repeat.item(), text, from, from)
                && repeats(repeat, min - 1, max == Regex.UNBOUNDED ? max : max - 1, text, from, to);
    }
}
