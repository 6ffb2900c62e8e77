// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// `const` and `enum`. An array or object is written as the schema that has only it as an instance.
final class ConstantKeywords implements Keywords.KeywordGroup {
    private final SchemaDocument document;
    private final SchemaLimits limits;
    private final Expansion expansion;
    private final IdentityHashMap<JsonNode, Formula> compound = new IdentityHashMap<>();

    ConstantKeywords(SchemaDocument document, SchemaLimits limits, Expansion expansion) {
        this.document = document;
        this.limits = limits;
        this.expansion = expansion;
    }

    @Override
    public Keywords.@Nullable Condition condition(
            Keywords.Place at, String keyword, JsonNode value) {
        return switch (keyword) {
            case "const" -> new Constants(at, keyword, List.of(value));
            case "enum" -> {
                if (!value.isArray()) {
                    throw at.refusal("enum", "an array is expected");
                }
                if (value.size() > limits.values()) {
                    throw at.refusal(
                            "enum",
                            "%d values exceed the limit of %d"
                                    .formatted(value.size(), limits.values()));
                }
                var values = new ArrayList<JsonNode>();
                value.forEach(values::add);
                yield new Constants(at, keyword, values);
            }
            default -> null;
        };
    }

    private final class Constants implements Keywords.Condition {
        private final Keywords.Place at;
        private final String keyword;
        private boolean nothing;
        private boolean yes;
        private boolean no;
        private final List<Regex> numbers = new ArrayList<>();
        private final List<String> strings = new ArrayList<>();
        private final List<Formula> others = new ArrayList<>();

        Constants(Keywords.Place at, String keyword, List<JsonNode> values) {
            this.at = at;
            this.keyword = keyword;
            for (JsonNode value : values) {
                switch (value.getNodeType()) {
                    case NULL -> nothing = true;
                    case BOOLEAN -> {
                        yes |= value.booleanValue();
                        no |= !value.booleanValue();
                    }
                    case NUMBER ->
                            numbers.add(
                                    NumberText.exactly(NumberKeywords.number(at, keyword, value)));
                    case STRING -> strings.add(value.textValue());
                    default -> others.add(compound(value));
                }
            }
        }

        private Formula compound(JsonNode value) {
            return compound.computeIfAbsent(
                    value, v -> document.formula(schemaOf(v), at.id(), keyword));
        }

        @Override
        public Value allowed() {
            Value scalars =
                    new Value(
                            nothing,
                            yes,
                            no,
                            Language.union(numbers),
                            strings.isEmpty()
                                    ? Language.NOTHING
                                    : expansion.strings().anyOf(strings),
                            List.of(),
                            List.of());
            Value all = scalars;
            for (Formula other : others) {
                all = all.or(expansion.expand(other));
            }
            return all;
        }

        @Override
        public Value forbidden() {
            Value all =
                    new Value(
                            !nothing,
                            !yes,
                            !no,
                            without(NumberText.ALL, Language.union(numbers)),
                            strings.isEmpty()
                                    ? StringText.ALL
                                    : expansion
                                            .strings()
                                            .except(expansion.strings().anyOf(strings)),
                            List.of(ArrayShape.ANY),
                            List.of(ObjectShape.ANY));
            for (Formula other : others) {
                all = all.and(expansion.expand(Formula.not(other)), expansion);
            }
            return all;
        }
    }

    static Regex without(Regex all, Regex some) {
        return some.equals(Language.NOTHING)
                ? all
                : Language.intersection(all, Language.complement(some));
    }

    private static JsonNode schemaOf(JsonNode value) {
        ObjectNode schema = JsonNodeFactory.instance.objectNode();
        if (value.isArray()) {
            ArrayNode items = schema.put("type", "array").putArray("prefixItems");
            value.forEach(item -> items.add(constant(item)));
            schema.put("minItems", value.size()).put("maxItems", value.size());
        } else {
            ObjectNode properties = schema.put("type", "object").putObject("properties");
            ArrayNode required = schema.putArray("required");
            for (Map.Entry<String, JsonNode> entry : value.properties()) {
                properties.set(entry.getKey(), constant(entry.getValue()));
                required.add(entry.getKey());
            }
            schema.put("additionalProperties", false);
        }
        return schema;
    }

    private static JsonNode constant(JsonNode value) {
        // Every draft knows `enum`.
        ObjectNode schema = JsonNodeFactory.instance.objectNode();
        schema.putArray("enum").add(value);
        return schema;
    }
}
