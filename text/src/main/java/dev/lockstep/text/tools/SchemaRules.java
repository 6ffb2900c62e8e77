// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.schema.JsonSchema;
import dev.lockstep.grammar.schema.Layout;
import dev.lockstep.grammar.schema.Notation;
import dev.lockstep.grammar.schema.SchemaLimits;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/// The rules of one function's arguments, added to a grammar under names of their own.
final class SchemaRules {
    private static final Regex SPACE =
            new Regex.Repeat(
                    Regex.characters(' ', ' ', '\n', '\n', '\t', '\t', '\r', '\r'),
                    0,
                    Regex.UNBOUNDED);
    private static final Regex DIGITS = Regex.plus(Regex.characters('0', '9'));

    /// What a reader may take for a value other than text.
    private static final Regex NO_TEXT =
            Regex.union(
                    Regex.sequence(
                            SPACE,
                            Regex.union(
                                    Regex.text("true"),
                                    Regex.text("True"),
                                    Regex.text("false"),
                                    Regex.text("False"),
                                    Regex.text("null"),
                                    Regex.text("None"),
                                    Regex.sequence(
                                            Regex.optional(Regex.text("-")),
                                            DIGITS,
                                            Regex.optional(Regex.sequence(Regex.text("."), DIGITS)),
                                            Regex.optional(
                                                    Regex.sequence(
                                                            Regex.characters('e', 'e', 'E', 'E'),
                                                            Regex.optional(
                                                                    Regex.characters(
                                                                            '+', '+', '-', '-')),
                                                            DIGITS)))),
                            SPACE),
                    Regex.sequence(
                            SPACE,
                            Regex.characters('{', '{', '[', '[', '(', '('),
                            Regex.ANY_BYTES));

    /// An identifier of Python, or more.
    private static final Regex IDENTIFIER =
            Regex.plus(
                    Regex.charactersExcept(
                            0, ' ', '"', '"', '\'', '\'', '(', ')', ',', ',', '=', '='));

    private final Map<String, Expression> rules;
    private final String prefix;
    private final ObjectNode schema;
    private final Layout layout;
    private final MarkerTokens markers;

    SchemaRules(
            Map<String, Expression> rules,
            String prefix,
            JsonNode parameters,
            Layout layout,
            MarkerTokens markers) {
        this.rules = rules;
        this.prefix = prefix;
        this.layout = layout;
        this.markers = markers;
        schema =
                parameters instanceof ObjectNode object
                        ? object.deepCopy()
                        : JsonNodeFactory.instance.objectNode();
        if (!schema.has("type")) {
            schema.put("type", "object");
        }
    }

    /// The arguments as a JSON object.
    Expression object() {
        return added(JsonSchema.grammar(schema.toString(), layout, SchemaLimits.DEFAULT));
    }

    Expression tagged(ArgumentForm.Tagged form) {
        return members(
                new Notation.Members(
                        Expression.EMPTY,
                        Expression.EMPTY,
                        markers.literal(form.separator()),
                        markers.literal(form.begin()),
                        form.values().stream().map(value -> form(value, form.values())).toList(),
                        keys("<>\"\n"),
                        this::isText,
                        NO_TEXT));
    }

    private Notation.Form form(ArgumentForm.Value value, List<ArgumentForm.Value> all) {
        List<Regex> forbidden = new ArrayList<>(List.of(Regex.text(telling(value.closing()))));
        for (ArgumentForm.Value other : all) {
            if (!other.equals(value) && other.opening().startsWith(value.opening())) {
                // a text that begins so would be read in the other form
                String rest = other.opening().substring(value.opening().length());
                forbidden.add(Regex.text(rest));
            }
        }
        return new Notation.Form(
                switch (value.type()) {
                    case STRING -> Notation.Kind.TEXT;
                    case JSON -> Notation.Kind.OTHER;
                    case BY_SCHEMA -> Notation.Kind.EITHER;
                },
                markers.literal(value.opening()),
                markers.literal(value.closing()),
                new Regex.Union(forbidden));
    }

    /// Returns a part of a closing text without which no reader takes a text for it, whatever white
    /// space stands in between: a marker in it, or its first part.
    private static String telling(String closing) {
        List<String> units =
                MarkerText.units(closing).stream().filter(unit -> !unit.isBlank()).toList();
        return units.stream().filter(MarkerText::hasMarker).findFirst().orElse(units.getFirst());
    }

    Expression python(ArgumentForm.Python form) {
        Expression equals = Expression.text("=");
        Notation.Form literal =
                new Notation.Form(Notation.Kind.LITERAL, equals, Expression.EMPTY, Regex.NOTHING);
        Regex quoteEnds =
                Regex.sequence(
                        Regex.text("'"),
                        SPACE,
                        Regex.union(
                                Regex.text(")"),
                                Regex.sequence(
                                        Regex.text(","),
                                        SPACE,
                                        IDENTIFIER,
                                        SPACE,
                                        Regex.text("="))));
        List<Notation.Form> forms =
                form.rawStrings()
                        ? List.of(
                                new Notation.Form(
                                        Notation.Kind.TEXT,
                                        Expression.text("='"),
                                        Expression.text("'"),
                                        quoteEnds),
                                new Notation.Form(
                                        Notation.Kind.OTHER,
                                        equals,
                                        Expression.EMPTY,
                                        Regex.NOTHING))
                        : List.of(literal);
        return members(
                new Notation.Members(
                        Expression.text("("),
                        Expression.text(")"),
                        Expression.text(", "),
                        Expression.EMPTY,
                        forms,
                        keys("=,()'\"\n"),
                        this::isText,
                        NO_TEXT));
    }

    /// Templates that quote so write the keys sorted.
    Expression quoted(ArgumentForm.Quoted form) {
        return added(
                JsonSchema.grammar(
                        sorted(schema).toString(),
                        new Notation.Quoted(
                                markers.literal(form.quote()),
                                Regex.text(form.quote()),
                                keys(":{}[],<>\"'\n")),
                        layout,
                        SchemaLimits.DEFAULT));
    }

    Expression elements(ArgumentForm.Elements form) {
        return added(
                JsonSchema.grammar(
                        schema.toString(),
                        new Notation.Elements(
                                markers.literal(form.prefix()),
                                Regex.text(form.prefix()),
                                form.item(),
                                keys("<>/\"\n"),
                                NO_TEXT),
                        layout,
                        SchemaLimits.DEFAULT));
    }

    /// Names without these characters, and without white space around them.
    private static Regex keys(String forbidden) {
        int[] ranges = new int[2 * forbidden.length()];
        int[] withSpace = new int[2 * forbidden.length() + 2];
        for (int i = 0; i < forbidden.length(); i++) {
            ranges[2 * i] = forbidden.charAt(i);
            ranges[2 * i + 1] = forbidden.charAt(i);
        }
        System.arraycopy(ranges, 0, withSpace, 2, ranges.length);
        withSpace[1] = ' ';
        Regex outer = Regex.charactersExcept(withSpace);
        Regex inner = Regex.charactersExcept(ranges);
        return Regex.sequence(outer, Regex.optional(Regex.sequence(Regex.star(inner), outer)));
    }

    /// Returns whether the parser takes the value of a key for text, whatever it says.
    private boolean isText(String key) {
        return SchemaType.of(schema, key).equals(Set.of(SchemaType.STRING));
    }

    private static JsonNode sorted(JsonNode node) {
        if (node.isArray()) {
            node.forEach(SchemaRules::sorted);
        } else if (node instanceof ObjectNode object) {
            object.forEach(SchemaRules::sorted);
            if (object.get("properties") instanceof ObjectNode properties) {
                Map<String, JsonNode> byName = new TreeMap<>();
                properties.properties().forEach(p -> byName.put(p.getKey(), p.getValue()));
                properties.removeAll();
                byName.forEach(properties::set);
            }
        }
        return node;
    }

    private Expression members(Notation.Members notation) {
        return added(JsonSchema.grammar(schema.toString(), notation, layout, SchemaLimits.DEFAULT));
    }

    private Expression added(Grammar grammar) {
        Grammar own = grammar.named(prefix);
        rules.putAll(own.rules());
        return Expression.reference(own.start());
    }
}
