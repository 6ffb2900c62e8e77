// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Writes values in the notation [Notation.Elements].
record ElementsWriter(Notation.Elements notation) implements ValueWriter {
    /// Leaves out what would be read as something else: an empty text is a string if there may be
    /// one, else an object; elements of items are an array if there may be one.
    @Override
    public Value writable(Value value) {
        boolean text = !value.string().equals(Language.NOTHING);
        boolean object = !value.objects().isEmpty();
        boolean array = !value.arrays().isEmpty();
        return value.withArrays(
                        value.arrays().stream()
                                .map(shape -> text || object ? notEmpty(shape) : shape)
                                .toList())
                .withObjects(
                        value.objects().stream()
                                .map(shape -> array ? shape.without(notation.item()) : shape)
                                .map(shape -> text ? notEmpty(shape) : shape)
                                .toList());
    }

    private static ArrayShape notEmpty(ArrayShape shape) {
        return shape.withCount(Math.max(1, shape.min()), shape.max());
    }

    private static ObjectShape notEmpty(ObjectShape shape) {
        return shape.withCount(Math.max(1, shape.min()), shape.max(), shape.minAt());
    }

    @Override
    public List<Expression> scalars(Value value) {
        var options = new ArrayList<Expression>();
        Regex bare = Language.union(JsonWriter.Words.JSON.of(value), value.number());
        if (!bare.equals(Language.NOTHING)) {
            options.add(new Expression.Terminal(bare));
        }
        if (!value.string().equals(Language.NOTHING)) {
            Regex text = StringText.RAW.resolved(value.string()).without(notation.prefixText());
            boolean alone =
                    bare.equals(Language.NOTHING)
                            && value.arrays().isEmpty()
                            && value.objects().isEmpty();
            options.add(new Expression.Terminal(alone ? text : text.minus(notation.others())));
        }
        return options;
    }

    @Override
    public Brackets array() {
        return object();
    }

    @Override
    public Brackets object() {
        return new Brackets(Expression.EMPTY, Expression.EMPTY, Expression.EMPTY, Expression.EMPTY);
    }

    @Override
    public Expression item(ShapeRules rules, Formula value) {
        return element(rules, notation.item(), value);
    }

    @Override
    public Expression member(ShapeRules rules, Optional<String> name, Regex named, Formula value) {
        if (name.isEmpty()) {
            return new Expression.Choice(List.of());
        }
        new BareKeys(notation.keys()).of(name, StringText.RAW.resolved(named), rules.expansion());
        return element(rules, name.get(), value);
    }

    private Expression element(ShapeRules rules, String name, Formula value) {
        return ShapeRules.sequence(
                notation.prefix(),
                Expression.text("<" + name + ">"),
                rules.reference(value),
                notation.prefix(),
                Expression.text("</" + name + ">"));
    }
}
