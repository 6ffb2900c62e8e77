// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;

/// Writes JSON.
final class JsonWriter implements ValueWriter {
    /// The most white space between two tokens.
    private static final int MAX_SPACE = 128;

    private final Words words;
    private final Regex space;

    /// The names of what is neither text nor number.
    enum Words {
        JSON("null", "true", "false"),
        /// Those of Python as well.
        PYTHON("None", "True", "False");

        private final String nothing;
        private final String yes;
        private final String no;

        Words(String nothing, String yes, String no) {
            this.nothing = nothing;
            this.yes = yes;
            this.no = no;
        }

        private Regex either(String json, String own) {
            return json.equals(own)
                    ? Language.text(json)
                    : Language.union(Language.text(json), Language.text(own));
        }

        Regex of(Value value) {
            return Language.union(
                    value.nothing() ? either("null", nothing) : Language.NOTHING,
                    value.yes() ? either("true", yes) : Language.NOTHING,
                    value.no() ? either("false", no) : Language.NOTHING);
        }
    }

    JsonWriter(Layout layout, Words words) {
        this.words = words;
        this.space =
                layout == Layout.COMPACT
                        ? Language.EMPTY
                        : Language.repeat(anyOf(" \t\n\r"), 0, MAX_SPACE);
    }

    private static Regex anyOf(String characters) {
        var set = new BitSet();
        characters.chars().forEach(set::set);
        return new Regex.Bytes(set);
    }

    @Override
    public List<Expression> scalars(Value value) {
        Regex all =
                Language.union(
                        words.of(value), value.number(), StringText.JSON.resolved(value.string()));
        return all.equals(Language.NOTHING) ? List.of() : List.of(new Expression.Terminal(all));
    }

    @Override
    public Brackets array() {
        return brackets("[", "]");
    }

    @Override
    public Brackets object() {
        return brackets("{", "}");
    }

    private Brackets brackets(String opening, String closing) {
        Regex open = Language.text(opening);
        Regex close = Language.text(closing);
        return new Brackets(
                new Expression.Terminal(Language.sequence(open, space)),
                new Expression.Terminal(Language.sequence(space, close)),
                new Expression.Terminal(Language.sequence(open, space, close)),
                new Expression.Terminal(Language.sequence(space, Language.text(","), space)));
    }

    @Override
    public Expression member(ShapeRules rules, Optional<String> name, Regex keys, Formula value) {
        return ShapeRules.sequence(
                new Expression.Terminal(
                        Language.sequence(
                                StringText.JSON.resolved(keys), space, Language.text(":"), space)),
                rules.reference(value));
    }
}
