// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Writes values in the notation [Notation.Quoted].
record QuotedWriter(Notation.Quoted notation) implements ValueWriter {
    @Override
    public List<Expression> scalars(Value value) {
        var options = new ArrayList<Expression>();
        Regex bare = Language.union(JsonWriter.Words.JSON.of(value), value.number());
        if (!bare.equals(Language.NOTHING)) {
            options.add(new Expression.Terminal(bare));
        }
        if (!value.string().equals(Language.NOTHING)) {
            Regex text = StringText.RAW.resolved(value.string()).without(notation.quoteText());
            options.add(
                    ShapeRules.sequence(
                            notation.quote(), new Expression.Terminal(text), notation.quote()));
        }
        return options;
    }

    @Override
    public Brackets array() {
        return brackets("[", "]");
    }

    @Override
    public Brackets object() {
        return brackets("{", "}");
    }

    private static Brackets brackets(String opening, String closing) {
        return new Brackets(
                Expression.text(opening),
                Expression.text(closing),
                Expression.text(opening + closing),
                Expression.text(","));
    }

    @Override
    public Expression member(ShapeRules rules, Optional<String> name, Regex named, Formula value) {
        Regex key =
                new BareKeys(notation.keys())
                        .of(name, StringText.RAW.resolved(named), rules.expansion());
        return ShapeRules.sequence(
                new Expression.Terminal(Language.sequence(key, Language.text(":"))),
                rules.reference(value));
    }
}
