// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import dev.lockstep.grammar.regex.Recognizer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/// What the formulas of one document allow, each found once.
final class Expansion {
    /// States after which a language is taken to have a text.
    private static final int MAX_STATES = 2_000;

    /// Parts of languages that are looked at, and pairs of shapes.
    private static final long MAX_WORK = 500_000;

    private static final int MAX_PAIRS = 20_000;

    /// A formula was met within itself: nothing can be told of it yet.
    private static final class Unfinished extends RuntimeException {
        private static final long serialVersionUID = 1;

        Unfinished() {
            super(null, null, false, false);
        }
    }

    private final SchemaDocument document;
    private final SchemaLimits limits;
    private final Keywords keywords;
    private final Map<Formula, Value> known = new HashMap<>();
    private final Set<Formula> open = new HashSet<>();
    private int pairs;
    private final Recognizer recognizer = new Recognizer(MAX_WORK);

    private final StringText strings;

    /// @param strings how strings are spelled
    Expansion(SchemaDocument document, SchemaLimits limits, StringText strings) {
        this.strings = strings;
        this.document = document;
        this.limits = limits;
        this.keywords = new Keywords(document, limits, this);
    }

    /// @throws SchemaException also if a schema refers to nothing but itself
    Value of(Formula formula) {
        try {
            return expand(formula);
        } catch (Unfinished _) {
            throw new SchemaException("$ref", place(formula), "it refers to itself");
        }
    }

    private String place(Formula formula) {
        return formula instanceof Formula.Schema(int id) ? document.place(id) : "";
    }

    Value expand(Formula formula) {
        Value value = known.get(formula);
        if (value != null) {
            return value;
        }
        if (!open.add(formula)) {
            throw new Unfinished();
        }
        try {
            value =
                    switch (formula) {
                        case Formula.Schema(int id) -> keywords.allowed(id);
                        case Formula.Not(Formula.Schema(int id)) -> keywords.forbidden(id);
                        case Formula.And(Set<Formula> all) -> {
                            Value both = Value.ANY;
                            for (Formula one : all) {
                                both = both.and(expand(one), this);
                            }
                            yield both;
                        }
                        case Formula.Or(Set<Formula> any) -> {
                            Value either = Value.NONE;
                            for (Formula one : any) {
                                either = either.or(expand(one));
                            }
                            requireAlternatives(
                                    Math.max(either.arrays().size(), either.objects().size()));
                            yield either;
                        }
                    };
        } finally {
            open.remove(formula);
        }
        known.put(formula, value);
        return value;
    }

    /// Whether no value can meet the formula; false where that cannot be told.
    boolean isImpossible(Formula formula) {
        if (formula instanceof Formula.Schema) {
            Value value = known.get(formula);
            return value != null && value.isEmpty(this);
        }
        if (formula.equals(Formula.FALSE)) {
            return true;
        }
        try {
            return expand(formula).isEmpty(this);
        } catch (Unfinished _) {
            return false;
        }
    }

    StringText strings() {
        return strings;
    }

    boolean isEmpty(Regex regex) {
        if (regex.equals(Language.NOTHING)) {
            return true;
        }
        if (!(regex instanceof Regex.Intersection)) {
            return false;
        }
        return recognizer.isEmpty(regex, MAX_STATES);
    }

    Regex both(Regex left, Regex right) {
        if (left.equals(StringText.ALL) || left.equals(right)) {
            return right;
        }
        if (right.equals(StringText.ALL)) {
            return left;
        }
        Regex both = Language.intersection(left, right);
        return isEmpty(both) ? Language.NOTHING : both;
    }

    /// Whether a string with this content is in the language.
    boolean matches(Regex strings, String content) {
        if (strings.equals(StringText.ALL)) {
            return true;
        }
        byte[] text = this.strings.plain(content).getBytes(StandardCharsets.UTF_8);
        return recognizer.matches(strings, text);
    }

    /// Two shapes are about to be put together.
    void countPair() {
        if (++pairs > MAX_PAIRS) {
            throw new Recognizer.Exhausted();
        }
    }

    void requireAlternatives(int count) {
        if (count > limits.alternatives()) {
            throw new TooManyAlternatives();
        }
    }

    /// Caught where a keyword can be named.
    static final class TooManyAlternatives extends RuntimeException {
        private static final long serialVersionUID = 1;

        TooManyAlternatives() {
            super(null, null, false, false);
        }
    }
}
