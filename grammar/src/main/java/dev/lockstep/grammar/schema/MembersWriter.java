// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Writes an object in the notation [Notation.Members]; what is within its values is JSON.
final class MembersWriter implements ValueWriter {
    private final Notation.Members notation;
    private final BareKeys keys;
    private final ShapeRules json;

    /// @param json writes values that are no text
    MembersWriter(Notation.Members notation, ShapeRules json) {
        this.notation = notation;
        this.keys = new BareKeys(notation.keys());
        this.json = json;
    }

    @Override
    public Value writable(Value value) {
        if (value.objects().isEmpty()) {
            throw new SchemaException("type", "", "arguments are an object");
        }
        return Value.NONE.withObjects(value.objects());
    }

    @Override
    public List<Expression> scalars(Value value) {
        return List.of();
    }

    @Override
    public Brackets array() {
        throw new IllegalStateException("arguments are no array");
    }

    @Override
    public Brackets object() {
        return new Brackets(
                notation.opening(),
                notation.closing(),
                ShapeRules.sequence(notation.opening(), notation.closing()),
                notation.separator());
    }

    @Override
    public Expression member(ShapeRules rules, Optional<String> name, Regex named, Formula value) {
        Regex key = keys.of(name, StringText.RAW.resolved(named), rules.expansion());
        boolean isText = notation.isText().test(name.orElse(""));
        Regex strings = StringText.RAW.resolved(rules.expansion().of(value).string());
        var ways = new ArrayList<Expression>();
        for (Notation.Form form : notation.forms()) {
            Regex texts = strings.without(form.forbidden());
            Optional<Expression> written =
                    switch (form.kind()) {
                        case TEXT -> text(strings, texts);
                        case OTHER -> json.withoutStrings(value);
                        case LITERAL -> Optional.of(json.reference(value));
                        case EITHER ->
                                isText
                                        ? text(strings, texts)
                                        : either(
                                                text(strings, texts.minus(notation.others())),
                                                json.withoutStrings(value));
                    };
            written.ifPresent(
                    content ->
                            ways.add(ShapeRules.sequence(form.opening(), content, form.closing())));
        }
        return ShapeRules.sequence(
                notation.begin(), new Expression.Terminal(key), new Expression.Choice(ways));
    }

    private static Optional<Expression> text(Regex strings, Regex written) {
        return strings.equals(Language.NOTHING)
                ? Optional.empty()
                : Optional.of(new Expression.Terminal(written));
    }

    private static Optional<Expression> either(
            Optional<Expression> one, Optional<Expression> other) {
        return one.isPresent() && other.isPresent()
                ? Optional.of(new Expression.Choice(List.of(one.get(), other.get())))
                : one.or(() -> other);
    }
}
