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
import dev.lockstep.grammar.schema.SchemaLimits;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiFunction;

/// The rules of one function's arguments, added to a grammar under names of their own.
final class SchemaRules {
    /// What says nothing about the texts of a string.
    private static final Set<String> PLAIN =
            Set.of("type", "description", "title", "default", "examples", "$comment");

    private final Map<String, Expression> rules;
    private final String prefix;
    private final ObjectNode schema;
    private final Layout layout;
    private final MarkerTokens markers;
    private int grammars;

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
        return grammar(schema);
    }

    Expression tagged(ArgumentForm.Tagged form) {
        return properties(
                names(),
                form.separator(),
                (key, property) -> {
                    boolean isString = isString(key, property);
                    ArgumentForm.ValueType other =
                            isString ? ArgumentForm.ValueType.JSON : ArgumentForm.ValueType.STRING;
                    List<Expression> ways = new ArrayList<>();
                    for (ArgumentForm.Value each : form.values()) {
                        if (each.type() != other) {
                            Expression content =
                                    isString
                                            ? strings(key, property, "", each.closing())
                                            : Expression.sequence(
                                                    json(property),
                                                    markers.literal(each.closing()));
                            ways.add(
                                    Expression.sequence(
                                            markers.literal(form.begin() + key + each.opening()),
                                            content));
                        }
                    }
                    return new Expression.Choice(ways);
                });
    }

    Expression python(ArgumentForm.Python form) {
        Expression inner =
                properties(
                        names(),
                        ", ",
                        (key, property) ->
                                Expression.sequence(
                                        Expression.text(key + "="),
                                        form.rawStrings() && isString(key, property)
                                                ? strings(key, property, "'", "'")
                                                : json(property)));
        return Expression.sequence(Expression.text("("), inner, Expression.text(")"));
    }

    /// Templates that quote so write the keys sorted.
    Expression quoted(ArgumentForm.Quoted form) {
        Expression inner =
                properties(
                        names().stream().sorted().toList(),
                        ",",
                        (key, property) -> {
                            Set<SchemaType> types = SchemaType.of(schema, key);
                            if (types.contains(SchemaType.OBJECT)
                                    || types.contains(SchemaType.ARRAY)) {
                                throw refused(key, "type", "an object or an array");
                            }
                            return Expression.sequence(
                                    Expression.text(key + ":"),
                                    isString(key, property)
                                            ? strings(key, property, form.quote(), form.quote())
                                            : json(property));
                        });
        return Expression.sequence(Expression.text("{"), inner, Expression.text("}"));
    }

    private boolean isString(String key, JsonNode property) {
        Set<SchemaType> types = SchemaType.of(schema, key);
        if (types.contains(SchemaType.STRING) && types.size() > 1) {
            throw refused(key, property.has("type") ? "type" : "$schema", "text among other types");
        }
        return types.contains(SchemaType.STRING);
    }

    private static IllegalArgumentException refused(String key, String keyword, String what) {
        return new IllegalArgumentException(
                "%s at /properties/%s: the model's format of calls cannot enforce %s"
                        .formatted(keyword, key, what));
    }

    /// Strings as they are, between an opening and a closing text.
    private Expression strings(String key, JsonNode property, String opening, String closing) {
        if (property.has("enum") || property.has("const")) {
            List<Expression> options = new ArrayList<>();
            for (JsonNode each :
                    property.has("const") ? List.of(property.get("const")) : property.get("enum")) {
                options.add(
                        Expression.sequence(
                                markers.literal(opening),
                                Expression.text(each.asText()),
                                markers.literal(closing)));
            }
            return new Expression.Choice(options);
        }
        for (Map.Entry<String, JsonNode> field : property.properties()) {
            if (!PLAIN.contains(field.getKey())) {
                throw refused(key, field.getKey(), "it in text without quotes");
            }
        }
        MarkerTokens.Split split = markers.split(closing);
        if (split.special() >= 0 && split.text().isBlank()) {
            return Expression.sequence(
                    markers.literal(opening),
                    Expression.until(split.special()),
                    markers.literal(split.rest()));
        }
        Regex marker = Regex.text(split.text());
        return Expression.sequence(
                markers.literal(opening),
                Expression.terminal(Regex.until(marker)),
                markers.literal(closing.substring(split.text().length())));
    }

    private List<String> names() {
        List<String> names = new ArrayList<>();
        schema.path("properties").fieldNames().forEachRemaining(names::add);
        return names;
    }

    /// The properties in an order, with a separator between those that are there.
    private Expression properties(
            List<String> order,
            String separator,
            BiFunction<String, JsonNode, Expression> property) {
        Set<String> required = new TreeSet<>();
        schema.path("required").forEach(each -> required.add(each.asText()));
        for (String name : required) {
            if (!schema.path("properties").has(name)) {
                throw refused(name, "required", "a property that has no schema");
            }
        }
        Expression first = Expression.EMPTY;
        Expression more = Expression.EMPTY;
        for (String name : order.reversed()) {
            Expression one = rule(property.apply(name, schema.path("properties").path(name)));
            Expression withSeparator = Expression.sequence(markers.literal(separator), one);
            boolean needed = required.contains(name);
            Expression begun = Expression.sequence(one, more);
            Expression continued = Expression.sequence(withSeparator, more);
            first = rule(needed ? begun : Expression.choice(begun, first));
            more = rule(needed ? continued : Expression.choice(continued, more));
        }
        return first;
    }

    private Expression rule(Expression body) {
        String name = prefix + "r" + rules.size();
        rules.put(name, body);
        return Expression.reference(name);
    }

    /// A property's value as JSON.
    private Expression json(JsonNode property) {
        if (!(property instanceof ObjectNode object)) {
            return grammar(property);
        }
        ObjectNode withDefinitions = object.deepCopy();
        for (String definitions : List.of("$defs", "definitions")) {
            if (schema.has(definitions)) {
                withDefinitions.set(definitions, schema.get(definitions));
            }
        }
        return grammar(withDefinitions);
    }

    /// Adds the rules of a schema.
    private Expression grammar(JsonNode whole) {
        Grammar grammar = JsonSchema.grammar(whole.toString(), layout, SchemaLimits.DEFAULT);
        String own = prefix + "s" + grammars++ + ".";
        grammar.rules().forEach((name, body) -> rules.put(own + name, renamed(body, own)));
        return Expression.reference(own + grammar.start());
    }

    private static Expression renamed(Expression body, String prefix) {
        return switch (body) {
            case Expression.Terminal terminal -> terminal;
            case Expression.Special special -> special;
            case Expression.Sequence(List<Expression> items) ->
                    new Expression.Sequence(
                            items.stream().map(item -> renamed(item, prefix)).toList());
            case Expression.Choice(List<Expression> options) ->
                    new Expression.Choice(
                            options.stream().map(option -> renamed(option, prefix)).toList());
            case Expression.Repeat(Expression item, int min, int max) ->
                    new Expression.Repeat(renamed(item, prefix), min, max);
            case Expression.Reference(String rule) -> Expression.reference(prefix + rule);
        };
    }
}
