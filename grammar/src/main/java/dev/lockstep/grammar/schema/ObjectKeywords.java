// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Which properties an object has, what they are, and how many there are.
final class ObjectKeywords implements Keywords.KeywordGroup {
    private final SchemaDocument document;
    private final SchemaLimits limits;
    private final Expansion expansion;

    ObjectKeywords(SchemaDocument document, SchemaLimits limits, Expansion expansion) {
        this.document = document;
        this.limits = limits;
        this.expansion = expansion;
    }

    @Override
    public Keywords.@Nullable Condition condition(
            Keywords.Place at, String keyword, JsonNode value) {
        JsonNode schema = at.schema();
        return switch (keyword) {
            case "properties" -> new Properties(at);
            case "patternProperties" -> schema.has("properties") ? null : new Properties(at);
            case "additionalProperties" ->
                    schema.has("properties") || schema.has("patternProperties")
                            ? null
                            : new Properties(at);
            case "required" -> required(at, value);
            case "propertyNames" -> new Names(document.formula(value, at.id(), keyword));
            case "minProperties" -> {
                int min = StringKeywords.limitedCount(at, keyword, value, limits);
                yield objects(
                        ObjectShape.ANY.withCount(min, Regex.UNBOUNDED, at.pointer()),
                        min == 0 ? List.of() : List.of(ObjectShape.ANY.withCount(0, min - 1, "")));
            }
            case "maxProperties" -> {
                int max = StringKeywords.limitedCount(at, keyword, value, limits);
                yield objects(
                        ObjectShape.ANY.withCount(0, max, ""),
                        List.of(ObjectShape.ANY.withCount(max + 1, Regex.UNBOUNDED, at.pointer())));
            }
            default -> null;
        };
    }

    private static Keywords.Condition objects(ObjectShape allowed, List<ObjectShape> forbidden) {
        return new TypeKeywords.Exact(
                Value.ANY.withObjects(List.of(allowed)), Value.NONE.withObjects(forbidden));
    }

    private static Keywords.Condition required(Keywords.Place at, JsonNode value) {
        if (!value.isArray()) {
            throw at.refusal("required", "an array of names is expected");
        }
        ObjectShape all = ObjectShape.ANY;
        var missing = new ArrayList<ObjectShape>();
        for (JsonNode name : value) {
            if (!name.isTextual()) {
                throw at.refusal("required", "an array of names is expected");
            }
            all = all.withMember(name.textValue(), Formula.TRUE, missing.size());
            missing.add(ObjectShape.ANY.without(name.textValue()));
        }
        return objects(all, missing);
    }

    /// The names of properties are strings that meet a schema.
    private final class Names implements Keywords.Condition {
        private final Formula name;

        Names(Formula name) {
            this.name = name;
        }

        @Override
        public Value allowed() {
            Regex keys = expansion.expand(name).string();
            List<ObjectShape.KeyClass> others =
                    keys.equals(Language.NOTHING)
                            ? List.of()
                            : List.of(new ObjectShape.KeyClass(keys, Formula.TRUE));
            return Value.ANY.withObjects(List.of(ObjectShape.ANY.withOthers(others)));
        }

        @Override
        public Value forbidden() {
            Regex keys = expansion.expand(Formula.not(name)).string();
            return Value.NONE.withObjects(
                    expansion.isEmpty(keys) ? List.of() : List.of(ObjectShape.ANY.withSome(keys)));
        }
    }

    /// `properties`, `patternProperties` and `additionalProperties`, which depend on each other.
    private final class Properties implements Keywords.Condition {
        private final Keywords.Place at;
        private final Map<String, Formula> named = new LinkedHashMap<>();
        private final Map<Regex, Formula> patterns = new LinkedHashMap<>();
        private final Formula additional;

        Properties(Keywords.Place at) {
            this.at = at;
            object("properties")
                    .forEach(entry -> named.put(entry.getKey(), formula("properties", entry)));
            object("patternProperties")
                    .forEach(
                            entry ->
                                    patterns.merge(
                                            StringKeywords.pattern(
                                                    at,
                                                    "patternProperties",
                                                    entry.getKey(),
                                                    expansion.strings()),
                                            formula("patternProperties", entry),
                                            Formula::and));
            JsonNode rest = at.schema().path("additionalProperties");
            additional =
                    rest.isMissingNode()
                            ? Formula.TRUE
                            : document.formula(rest, at.id(), "additionalProperties");
        }

        private Iterable<Map.Entry<String, JsonNode>> object(String keyword) {
            JsonNode value = at.schema().path(keyword);
            if (!value.isMissingNode() && !value.isObject()) {
                throw at.refusal(keyword, "an object is expected");
            }
            return value.properties();
        }

        private Formula formula(String keyword, Map.Entry<String, JsonNode> entry) {
            return document.formula(entry.getValue(), at.id(), keyword, entry.getKey());
        }

        @Override
        public Value allowed() {
            var classes = new ArrayList<ObjectShape.KeyClass>();
            classes.add(new ObjectShape.KeyClass(StringText.ALL, Formula.FALSE));
            var matched = new ArrayList<Boolean>(List.of(false));
            for (Map.Entry<Regex, Formula> pattern : patterns.entrySet()) {
                split(classes, matched, pattern.getKey(), pattern.getValue());
            }
            var others = new ArrayList<ObjectShape.KeyClass>();
            for (int i = 0; i < classes.size(); i++) {
                ObjectShape.KeyClass one = classes.get(i);
                Formula value = matched.get(i) ? one.value() : additional;
                if (!value.equals(Formula.FALSE)) {
                    others.add(new ObjectShape.KeyClass(one.keys(), value));
                }
            }
            ObjectShape shape = ObjectShape.ANY.withOthers(others);
            for (Map.Entry<String, Formula> member : named.entrySet()) {
                Formula value = member.getValue();
                for (Map.Entry<Regex, Formula> pattern : patterns.entrySet()) {
                    if (expansion.matches(pattern.getKey(), member.getKey())) {
                        value = Formula.and(value, pattern.getValue());
                    }
                }
                shape = shape.withMember(member.getKey(), value);
            }
            return Value.ANY.withObjects(List.of(shape));
        }

        /// Cuts each class into the keys that match the pattern and those that do not.
        private void split(
                List<ObjectShape.KeyClass> classes,
                List<Boolean> matched,
                Regex pattern,
                Formula value) {
            for (int i = classes.size() - 1; i >= 0; i--) {
                ObjectShape.KeyClass one = classes.get(i);
                Regex in = expansion.both(one.keys(), pattern);
                if (in.equals(Language.NOTHING)) {
                    continue;
                }
                Regex out = expansion.both(one.keys(), expansion.strings().except(pattern));
                classes.set(
                        i,
                        new ObjectShape.KeyClass(
                                in, matched.get(i) ? Formula.and(one.value(), value) : value));
                boolean before = matched.set(i, true);
                if (!out.equals(Language.NOTHING)) {
                    classes.add(new ObjectShape.KeyClass(out, one.value()));
                    matched.add(before);
                }
                expansion.requireAlternatives(classes.size());
            }
        }

        @Override
        public Value forbidden() {
            var shapes = new ArrayList<ObjectShape>();
            for (Map.Entry<String, Formula> member : named.entrySet()) {
                Formula not = Formula.not(member.getValue());
                if (!not.equals(Formula.FALSE)) {
                    shapes.add(ObjectShape.ANY.withMember(member.getKey(), not, 0));
                }
            }
            for (Map.Entry<Regex, Formula> pattern : patterns.entrySet()) {
                some(shapes, "patternProperties", pattern.getKey(), pattern.getValue());
            }
            if (!additional.equals(Formula.TRUE)) {
                Regex rest =
                        patterns.isEmpty() && named.isEmpty()
                                ? StringText.ALL
                                : expansion.strings().all();
                for (Regex pattern : patterns.keySet()) {
                    rest = ConstantKeywords.without(rest, pattern);
                }
                if (!named.isEmpty()) {
                    rest =
                            ConstantKeywords.without(
                                    rest, expansion.strings().anyOf(named.keySet()));
                }
                if (!expansion.isEmpty(rest)) {
                    some(shapes, "additionalProperties", rest, additional);
                }
            }
            return Value.NONE.withObjects(shapes);
        }

        private void some(List<ObjectShape> shapes, String keyword, Regex keys, Formula value) {
            if (value.equals(Formula.FALSE)) {
                shapes.add(ObjectShape.ANY.withSome(keys));
            } else if (!value.equals(Formula.TRUE)) {
                // A key may be written twice, and only the last one counts.
                throw at.refusal(keyword, "that a key breaks it cannot be asked for");
            }
        }
    }
}
