// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.grammar.Regex;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What an array holds, how much of it, and how many of a kind.
final class ArrayKeywords implements Keywords.KeywordGroup {
    private final SchemaDocument document;
    private final SchemaLimits limits;

    ArrayKeywords(SchemaDocument document, SchemaLimits limits) {
        this.document = document;
        this.limits = limits;
    }

    @Override
    public Keywords.@Nullable Condition condition(
            Keywords.Place at, String keyword, JsonNode value) {
        JsonNode schema = at.schema();
        return switch (keyword) {
            case "prefixItems" -> new Items(at, keyword, value, schema.path("items"), "items");
            case "items" -> {
                if (schema.has("prefixItems")) {
                    yield null;
                }
                yield value.isArray()
                        ? new Items(
                                at,
                                keyword,
                                value,
                                schema.path("additionalItems"),
                                "additionalItems")
                        : new Items(at, keyword, schema.path(""), value, keyword);
            }
            case "minItems" -> {
                int min = StringKeywords.limitedCount(at, keyword, value, limits);
                yield arrays(
                        ArrayShape.ANY.withCount(min, Regex.UNBOUNDED),
                        min == 0 ? List.of() : List.of(ArrayShape.ANY.withCount(0, min - 1)));
            }
            case "maxItems" -> {
                int max = StringKeywords.limitedCount(at, keyword, value, limits);
                yield arrays(
                        ArrayShape.ANY.withCount(0, max),
                        List.of(ArrayShape.ANY.withCount(max + 1, Regex.UNBOUNDED)));
            }
            case "contains" -> contains(at, value);
            case "uniqueItems" -> value.asBoolean() ? new Distinct(at) : null;
            default -> null;
        };
    }

    private static Keywords.Condition arrays(ArrayShape allowed, List<ArrayShape> forbidden) {
        return new TypeKeywords.Exact(
                Value.ANY.withArrays(List.of(allowed)), Value.NONE.withArrays(forbidden));
    }

    private final class Items implements Keywords.Condition {
        private final List<Formula> first = new ArrayList<>();
        private final Formula rest;
        private final Keywords.Place at;

        Items(
                Keywords.Place at,
                String keyword,
                JsonNode prefix,
                JsonNode others,
                String restKeyword) {
            this.at = at;
            for (int i = 0; i < prefix.size(); i++) {
                first.add(document.formula(prefix.get(i), at.id(), keyword, Integer.toString(i)));
            }
            rest =
                    others.isMissingNode()
                            ? Formula.TRUE
                            : document.formula(others, at.id(), restKeyword);
        }

        @Override
        public Value allowed() {
            return Value.ANY.withArrays(List.of(ArrayShape.ANY.withItems(first, rest)));
        }

        /// One of the items is not what it should be.
        @Override
        public Value forbidden() {
            var shapes = new ArrayList<ArrayShape>();
            for (int i = 0; i < first.size(); i++) {
                if (!first.get(i).equals(Formula.TRUE)) {
                    var items = new ArrayList<Formula>(Collections.nCopies(i, Formula.TRUE));
                    items.add(Formula.not(first.get(i)));
                    shapes.add(
                            ArrayShape.ANY
                                    .withItems(items, Formula.TRUE)
                                    .withCount(i + 1, Regex.UNBOUNDED));
                }
            }
            if (rest.equals(Formula.FALSE)) {
                shapes.add(ArrayShape.ANY.withCount(first.size() + 1, Regex.UNBOUNDED));
            } else if (!rest.equals(Formula.TRUE)) {
                shapes.add(
                        ArrayShape.ANY.withContained(
                                new ArrayShape.Contained(
                                        Formula.not(rest),
                                        first.size(),
                                        1,
                                        Regex.UNBOUNDED,
                                        at.pointer())));
            }
            return Value.NONE.withArrays(shapes);
        }
    }

    private Keywords.Condition contains(Keywords.Place at, JsonNode value) {
        Formula item = document.formula(value, at.id(), "contains");
        JsonNode least = at.schema().path("minContains");
        JsonNode most = at.schema().path("maxContains");
        int min =
                least.isMissingNode()
                        ? 1
                        : StringKeywords.limitedCount(at, "minContains", least, limits);
        int max =
                most.isMissingNode()
                        ? Regex.UNBOUNDED
                        : StringKeywords.limitedCount(at, "maxContains", most, limits);
        var allowed = new ArrayList<ArrayShape>();
        if (max == Regex.UNBOUNDED || min <= max) {
            allowed.add(
                    min == 0 && max == Regex.UNBOUNDED
                            ? ArrayShape.ANY
                            : ArrayShape.ANY.withContained(
                                    new ArrayShape.Contained(item, 0, min, max, at.pointer())));
        }
        var forbidden = new ArrayList<ArrayShape>();
        if (min > 0) {
            forbidden.add(
                    ArrayShape.ANY.withContained(
                            new ArrayShape.Contained(item, 0, 0, min - 1, at.pointer())));
        }
        if (max != Regex.UNBOUNDED) {
            forbidden.add(
                    ArrayShape.ANY.withContained(
                            new ArrayShape.Contained(
                                    item, 0, max + 1, Regex.UNBOUNDED, at.pointer())));
        }
        return new TypeKeywords.Exact(
                Value.ANY.withArrays(allowed), Value.NONE.withArrays(forbidden));
    }

    private record Distinct(Keywords.Place at) implements Keywords.Condition {
        @Override
        public Value allowed() {
            return Value.ANY.withArrays(List.of(ArrayShape.ANY.withDistinct(at.pointer())));
        }

        @Override
        public Value forbidden() {
            throw at.refusal("uniqueItems", "it cannot be excluded");
        }
    }
}
