// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.EnumSet;
import java.util.Set;

/// The JSON types that a function's schema allows for an argument: they tell what a value without
/// quotes stands for.
enum SchemaType {
    STRING,
    NUMBER,
    BOOLEAN,
    NULL,
    OBJECT,
    ARRAY;

    /// References are followed this deep.
    private static final int MAX_DEPTH = 16;

    /// Returns the types of an argument; all if the schema does not say, or says it by the form of
    /// the name.
    static Set<SchemaType> of(JsonNode parameters, String argument) {
        JsonNode own = parameters.path("properties").path(argument);
        if (own.isMissingNode() && parameters.path("patternProperties").isEmpty()) {
            own = parameters.path("additionalProperties");
        }
        return of(parameters, own, 0);
    }

    /// Returns the types of what a schema within the parameters allows.
    static Set<SchemaType> of(JsonNode parameters, JsonNode schema) {
        return of(parameters, schema, 0);
    }

    private static Set<SchemaType> of(JsonNode root, JsonNode schema, int depth) {
        Set<SchemaType> types = EnumSet.allOf(SchemaType.class);
        if (depth > MAX_DEPTH || !schema.isObject()) {
            return types;
        }
        JsonNode reference = schema.path("$ref");
        if (reference.isTextual() && reference.textValue().startsWith("#")) {
            types.retainAll(of(root, root.at(reference.textValue().substring(1)), depth + 1));
        }
        if (schema.has("type")) {
            JsonNode type = schema.get("type");
            Set<SchemaType> named = EnumSet.noneOf(SchemaType.class);
            if (type.isTextual()) {
                named.addAll(named(type.textValue()));
            }
            type.forEach(each -> named.addAll(named(each.asText())));
            if (schema.path("nullable").asBoolean()) {
                named.add(NULL);
            }
            types.retainAll(named);
        }
        if (schema.has("const")) {
            types.retainAll(EnumSet.of(ofValue(schema.get("const"))));
        }
        if (schema.path("enum").isArray()) {
            Set<SchemaType> named = EnumSet.noneOf(SchemaType.class);
            schema.get("enum").forEach(each -> named.add(ofValue(each)));
            types.retainAll(named);
        }
        for (String keyword : new String[] {"anyOf", "oneOf"}) {
            if (schema.path(keyword).isArray()) {
                Set<SchemaType> either = EnumSet.noneOf(SchemaType.class);
                schema.get(keyword).forEach(each -> either.addAll(of(root, each, depth + 1)));
                types.retainAll(either);
            }
        }
        schema.path("allOf").forEach(each -> types.retainAll(of(root, each, depth + 1)));
        return types;
    }

    static SchemaType ofValue(JsonNode value) {
        return switch (value.getNodeType()) {
            case OBJECT, POJO -> OBJECT;
            case ARRAY -> ARRAY;
            case BOOLEAN -> BOOLEAN;
            case NUMBER -> NUMBER;
            case NULL, MISSING -> NULL;
            case STRING, BINARY -> STRING;
        };
    }

    private static Set<SchemaType> named(String type) {
        return switch (type) {
            case "string" -> EnumSet.of(STRING);
            case "integer", "number" -> EnumSet.of(NUMBER);
            case "boolean" -> EnumSet.of(BOOLEAN);
            case "null" -> EnumSet.of(NULL);
            case "object" -> EnumSet.of(OBJECT);
            case "array" -> EnumSet.of(ARRAY);
            default -> EnumSet.noneOf(SchemaType.class);
        };
    }
}
