// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// `type`, together with `nullable`.
final class TypeKeywords implements Keywords.KeywordGroup {
    private final SchemaDocument document;

    TypeKeywords(SchemaDocument document) {
        this.document = document;
    }

    @Override
    public Keywords.@Nullable Condition condition(
            Keywords.Place at, String keyword, JsonNode value) {
        if (!keyword.equals("type")) {
            return null;
        }
        Value allowed = at.schema().path("nullable").asBoolean() ? Value.NULL : Value.NONE;
        if (value.isTextual()) {
            allowed = allowed.or(type(at, value));
        } else if (value.isArray() && !value.isEmpty()) {
            for (JsonNode one : value) {
                allowed = allowed.or(type(at, one));
            }
        } else {
            throw at.refusal("type", "a name or an array of names is expected");
        }
        return new Exact(allowed, others(allowed));
    }

    record Exact(Value allowed, Value forbidden) implements Keywords.Condition {}

    private boolean byText() {
        return document.draft() == SchemaDocument.Draft.DRAFT_4;
    }

    private Regex integers() {
        return NumberText.integers(byText());
    }

    private Value type(Keywords.Place at, JsonNode name) {
        return switch (name.asText()) {
            case "null" -> Value.NULL;
            case "boolean" -> Value.NONE.withBooleans(true, true);
            case "integer" -> Value.NONE.withNumber(integers());
            case "number" -> Value.NONE.withNumber(NumberText.ALL);
            case "string" -> Value.NONE.withString(StringText.ALL);
            case "array" -> Value.NONE.withArrays(List.of(ArrayShape.ANY));
            case "object" -> Value.NONE.withObjects(List.of(ObjectShape.ANY));
            default ->
                    throw at.refusal("type", "the type '%s' is not known".formatted(name.asText()));
        };
    }

    private Value others(Value types) {
        Value rest = Value.NONE.withNothing(!types.nothing());
        rest = rest.withBooleans(!types.yes(), !types.no());
        if (types.number().equals(Language.NOTHING)) {
            rest = rest.withNumber(NumberText.ALL);
        } else if (types.number().equals(integers())) {
            rest = rest.withNumber(NumberText.fractions(byText()));
        }
        if (types.string().equals(Language.NOTHING)) {
            rest = rest.withString(StringText.ALL);
        }
        if (types.arrays().isEmpty()) {
            rest = rest.withArrays(List.of(ArrayShape.ANY));
        }
        if (types.objects().isEmpty()) {
            rest = rest.withObjects(List.of(ObjectShape.ANY));
        }
        return rest;
    }
}
