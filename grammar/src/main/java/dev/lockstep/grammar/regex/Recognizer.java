// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

import dev.lockstep.grammar.Regex;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Answers whether a text is in a regular language, and whether any is, by derivatives.
///
/// What it learnt of one language serves the next. Not safe for use by several threads.
public final class Recognizer {
    private static final BitSet NO_BYTES = new BitSet();

    /// Parts of derivatives that may still be made.
    private long work;

    private final Map<Term.Form, Term> terms = new HashMap<>();
    private final IdentityHashMap<Regex, Term> known = new IdentityHashMap<>();
    private final IdentityHashMap<Term, Boolean> empty = new IdentityHashMap<>();
    private final Term nothing = intern(Term.Kind.UNION, List.of());
    private final Term emptyText = intern(Term.Kind.SEQUENCE, List.of());
    private final Term everything = intern(Term.Kind.COMPLEMENT, List.of(nothing));

    /// The limit of its work was reached.
    public static final class Exhausted extends RuntimeException {
        private static final long serialVersionUID = 1;

        public Exhausted() {
            super(null, null, false, false);
        }
    }

    /// @param work how many parts of languages it may look at in its life; then it throws
    ///   [Exhausted]
    public Recognizer(long work) {
        this.work = work;
    }

    public boolean matches(Regex language, byte[] text) {
        Term term = term(language);
        for (byte b : text) {
            term = after(term, b & 0xff);
        }
        return term.holdsEmpty;
    }

    /// Whether no text is in the language.
    ///
    /// @return false also where `maxStates` states do not tell
    public boolean isEmpty(Regex language, int maxStates) {
        return empty.computeIfAbsent(term(language), term -> isEmpty(term, maxStates));
    }

    private boolean isEmpty(Term start, int maxStates) {
        Set<Term> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        var open = new ArrayDeque<Term>();
        open.push(start);
        seen.add(start);
        while (!open.isEmpty()) {
            Term term = open.pop();
            if (term.holdsEmpty || seen.size() > maxStates) {
                return false;
            }
            for (int b = 0; b < 256; b++) {
                Term target = after(term, b);
                if (target != nothing && seen.add(target)) {
                    open.push(target);
                }
            }
        }
        return true;
    }

    private Term term(Regex regex) {
        Term made = known.get(regex);
        if (made == null) {
            made =
                    switch (regex) {
                        case Regex.Bytes(BitSet set) ->
                                intern(new Term.Form(Term.Kind.BYTES, List.of(), set, 0, 0));
                        case Regex.Sequence(List<Regex> items) -> sequence(terms(items));
                        case Regex.Union(List<Regex> options) -> union(terms(options));
                        case Regex.Intersection(List<Regex> all) -> intersection(terms(all));
                        case Regex.Complement(Regex of) -> complement(term(of));
                        case Regex.Repeat(Regex item, int min, int max) ->
                                repeat(term(item), min, max);
                    };
            known.put(regex, made);
        }
        return made;
    }

    private List<Term> terms(List<Regex> parts) {
        var result = new ArrayList<Term>(parts.size());
        parts.forEach(part -> result.add(term(part)));
        return result;
    }

    private Term intern(Term.Kind kind, List<Term> parts) {
        return intern(new Term.Form(kind, parts, NO_BYTES, 0, 0));
    }

    private Term intern(Term.Form form) {
        return terms.computeIfAbsent(form, Term::new);
    }

    private Term sequence(List<Term> items) {
        var flat = new ArrayList<Term>();
        for (Term item : items) {
            if (item == nothing) {
                return nothing;
            }
            if (item.is(Term.Kind.SEQUENCE)) {
                flat.addAll(item.form.parts());
            } else {
                flat.add(item);
            }
        }
        return flat.size() == 1 ? flat.getFirst() : intern(Term.Kind.SEQUENCE, List.copyOf(flat));
    }

    private Term union(List<Term> options) {
        var flat = new LinkedHashSet<Term>();
        for (Term option : options) {
            if (option == everything) {
                return everything;
            }
            if (option.is(Term.Kind.UNION)) {
                flat.addAll(option.form.parts());
            } else {
                flat.add(option);
            }
        }
        return flat.size() == 1 ? flat.getFirst() : intern(Term.Kind.UNION, List.copyOf(flat));
    }

    private Term intersection(List<Term> all) {
        var flat = new LinkedHashSet<Term>();
        for (Term one : all) {
            if (one == nothing) {
                return nothing;
            }
            if (one.is(Term.Kind.INTERSECTION)) {
                flat.addAll(one.form.parts());
            } else if (one != everything) {
                flat.add(one);
            }
        }
        if (flat.isEmpty()) {
            return everything;
        }
        return flat.size() == 1
                ? flat.getFirst()
                : intern(Term.Kind.INTERSECTION, List.copyOf(flat));
    }

    private Term complement(Term of) {
        return of.is(Term.Kind.COMPLEMENT)
                ? of.form.parts().getFirst()
                : intern(Term.Kind.COMPLEMENT, List.of(of));
    }

    private Term repeat(Term item, int min, int max) {
        if (max == 0 || item == emptyText) {
            return emptyText;
        }
        if (item == nothing) {
            return min == 0 ? emptyText : nothing;
        }
        return min == 1 && max == 1
                ? item
                : intern(new Term.Form(Term.Kind.REPEAT, List.of(item), NO_BYTES, min, max));
    }

    private Term after(Term term, int b) {
        Term next = term.next[b];
        if (next == null) {
            next = derivative(term, b);
            BitSet alike = alike(term, b);
            for (int i = alike.nextSetBit(0); i >= 0; i = alike.nextSetBit(i + 1)) {
                term.next[i] = next;
            }
        }
        return next;
    }

    private Term derivative(Term term, int b) {
        List<Term> parts = term.form.parts();
        work -= 1 + parts.size();
        if (work < 0) {
            throw new Exhausted();
        }
        return switch (term.form.kind()) {
            case BYTES -> term.form.set().get(b) ? emptyText : nothing;
            case SEQUENCE -> {
                var options = new ArrayList<Term>();
                for (int i = 0; i < parts.size(); i++) {
                    var rest = new ArrayList<Term>(parts.size() - i);
                    rest.add(after(parts.get(i), b));
                    rest.addAll(parts.subList(i + 1, parts.size()));
                    options.add(sequence(rest));
                    if (!parts.get(i).holdsEmpty) {
                        break;
                    }
                }
                yield union(options);
            }
            case UNION -> union(each(term, b));
            case INTERSECTION -> intersection(each(term, b));
            case COMPLEMENT -> complement(after(parts.getFirst(), b));
            case REPEAT ->
                    sequence(
                            List.of(
                                    after(parts.getFirst(), b),
                                    repeat(
                                            parts.getFirst(),
                                            Math.max(0, term.form.min() - 1),
                                            term.form.max() == Regex.UNBOUNDED
                                                    ? term.form.max()
                                                    : term.form.max() - 1)));
        };
    }

    private List<Term> each(Term term, int b) {
        var result = new ArrayList<Term>();
        for (Term part : term.form.parts()) {
            result.add(after(part, b));
        }
        return result;
    }

    /// The bytes after which the same may follow as after `b`, or some of them.
    private static BitSet alike(Term term, int b) {
        var alike = new BitSet(256);
        alike.set(0, 256);
        limit(term, b, alike);
        return alike;
    }

    private static void limit(Term term, int b, BitSet alike) {
        switch (term.form.kind()) {
            case BYTES -> {
                BitSet set = term.form.set();
                if (set.get(b)) {
                    alike.and(set);
                } else {
                    alike.andNot(set);
                }
            }
            case SEQUENCE -> {
                for (Term part : term.form.parts()) {
                    limit(part, b, alike);
                    if (!part.holdsEmpty) {
                        break;
                    }
                }
            }
            case UNION, INTERSECTION, COMPLEMENT, REPEAT -> {
                for (Term part : term.form.parts()) {
                    limit(part, b, alike);
                }
            }
        }
    }
}
