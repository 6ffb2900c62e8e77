// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Schemas made of schemas.
final class LogicKeywords implements Keywords.KeywordGroup {
    private final SchemaDocument document;
    private final Expansion expansion;

    LogicKeywords(SchemaDocument document, Expansion expansion) {
        this.document = document;
        this.expansion = expansion;
    }

    @Override
    public Keywords.@Nullable Condition condition(
            Keywords.Place at, String keyword, JsonNode value) {
        return switch (keyword) {
            case "$ref" -> {
                if (!value.isTextual()) {
                    throw at.refusal(keyword, "a string is expected");
                }
                yield new Meets(document.referred(at.id(), keyword, value.textValue()));
            }
            case "allOf" -> new Meets(Formula.and(list(at, keyword, value)));
            case "anyOf" -> new Meets(Formula.or(list(at, keyword, value)));
            case "oneOf" -> new OneOf(at, list(at, keyword, value));
            case "not" -> new Meets(Formula.not(document.formula(value, at.id(), keyword)));
            case "if" -> conditional(at, value);
            case "dependentRequired", "dependentSchemas", "dependencies" ->
                    new Dependencies(at, keyword, value);
            default -> null;
        };
    }

    private List<Formula> list(Keywords.Place at, String keyword, JsonNode value) {
        if (!value.isArray() || value.isEmpty()) {
            throw at.refusal(keyword, "an array of schemas is expected");
        }
        var formulas = new ArrayList<Formula>();
        for (int i = 0; i < value.size(); i++) {
            formulas.add(document.formula(value.get(i), at.id(), keyword, Integer.toString(i)));
        }
        return formulas;
    }

    private final class Meets implements Keywords.Condition {
        private final Formula formula;

        Meets(Formula formula) {
            this.formula = formula;
        }

        @Override
        public Value allowed() {
            return expansion.expand(formula);
        }

        @Override
        public Value forbidden() {
            return expansion.expand(Formula.not(formula));
        }
    }

    private @Nullable Meets conditional(Keywords.Place at, JsonNode value) {
        JsonNode then = at.schema().path("then");
        JsonNode otherwise = at.schema().path("else");
        if (then.isMissingNode() && otherwise.isMissingNode()) {
            return null;
        }
        Formula condition = document.formula(value, at.id(), "if");
        Formula met = then.isMissingNode() ? Formula.TRUE : document.formula(then, at.id(), "then");
        Formula unmet =
                otherwise.isMissingNode()
                        ? Formula.TRUE
                        : document.formula(otherwise, at.id(), "else");
        return new Meets(
                Formula.or(
                        List.of(
                                Formula.and(condition, met),
                                Formula.and(Formula.not(condition), unmet))));
    }

    /// Exactly one of the schemas. Where two can both be met, each is taken without the other.
    private final class OneOf implements Keywords.Condition {
        private final Keywords.Place at;
        private final List<Formula> options;

        OneOf(Keywords.Place at, List<Formula> options) {
            this.at = at;
            this.options = options;
        }

        @Override
        public Value allowed() {
            Value all = Value.NONE;
            for (int i = 0; i < options.size(); i++) {
                Value one = expansion.expand(options.get(i));
                for (int j = 0; j < options.size() && !one.isEmpty(expansion); j++) {
                    if (i != j && !disjoint(one, options.get(j))) {
                        one = one.and(without(i, j), expansion);
                    }
                }
                all = all.or(one);
            }
            return all;
        }

        private boolean disjoint(Value one, Formula other) {
            try {
                return one.and(expansion.expand(other), expansion).isEmpty(expansion);
            } catch (Expansion.TooManyAlternatives _) {
                return false;
            }
        }

        private Value without(int i, int j) {
            try {
                return expansion.expand(Formula.not(options.get(j)));
            } catch (SchemaException refused) {
                throw at.refusal(
                        "oneOf",
                        "both %d and %d can be met, and what the latter forbids is not known: %s"
                                .formatted(i, j, refused.getMessage()));
            }
        }

        @Override
        public Value forbidden() {
            var none = new ArrayList<Formula>();
            options.forEach(option -> none.add(Formula.not(option)));
            Value all = expansion.expand(Formula.and(none));
            for (int i = 0; i < options.size(); i++) {
                for (int j = i + 1; j < options.size(); j++) {
                    all = all.or(expansion.expand(Formula.and(options.get(i), options.get(j))));
                }
            }
            return all;
        }
    }

    /// What must hold where a property is there.
    private final class Dependencies implements Keywords.Condition {
        private final List<String> names = new ArrayList<>();
        private final List<Formula> formulas = new ArrayList<>();
        private final List<ObjectShape> required = new ArrayList<>();

        Dependencies(Keywords.Place at, String keyword, JsonNode value) {
            if (!value.isObject()) {
                throw at.refusal(keyword, "an object is expected");
            }
            for (Map.Entry<String, JsonNode> entry : value.properties()) {
                names.add(entry.getKey());
                ObjectShape needed = ObjectShape.ANY;
                Formula formula = Formula.TRUE;
                if (entry.getValue().isArray()) {
                    for (JsonNode name : entry.getValue()) {
                        needed = needed.withMember(name.asText(), Formula.TRUE, 0);
                    }
                } else {
                    formula = document.formula(entry.getValue(), at.id(), keyword, entry.getKey());
                }
                required.add(needed);
                formulas.add(formula);
            }
        }

        private Value object(ObjectShape shape) {
            return Value.NONE.withObjects(List.of(shape));
        }

        private Value with(int i) {
            return object(ObjectShape.ANY.withMember(names.get(i), Formula.TRUE, 0));
        }

        @Override
        public Value allowed() {
            Value all = Value.ANY;
            for (int i = 0; i < names.size(); i++) {
                Value absent =
                        Value.ANY.withObjects(List.of(ObjectShape.ANY.without(names.get(i))));
                Value met =
                        with(i).and(object(required.get(i)), expansion)
                                .and(expansion.expand(formulas.get(i)), expansion);
                all = all.and(absent.or(met), expansion);
            }
            return all;
        }

        @Override
        public Value forbidden() {
            Value all = Value.NONE;
            for (int i = 0; i < names.size(); i++) {
                all =
                        all.or(
                                with(i).and(
                                                expansion.expand(Formula.not(formulas.get(i))),
                                                expansion));
                for (String name : required.get(i).members().keySet()) {
                    all = all.or(with(i).and(object(ObjectShape.ANY.without(name)), expansion));
                }
            }
            return all;
        }
    }
}
