// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.util.function.UnaryOperator;

/// The schemas of the parts of a value, as far as they can be told from its schema.
///
/// @param root the document that references are looked up in
record SchemaParts(JsonNode root) {
    private static final int MAX_DEPTH = 16;

    /// Returns the schema of a member; missing if it is not known.
    JsonNode member(JsonNode schema, String name) {
        return part(
                schema,
                each -> {
                    JsonNode own = each.path("properties").path(name);
                    return own.isMissingNode() && each.path("patternProperties").isEmpty()
                            ? each.path("additionalProperties")
                            : own;
                },
                0);
    }

    /// Returns the schema of the items; missing if it is not known.
    JsonNode item(JsonNode schema) {
        return part(
                schema,
                each ->
                        each.has("prefixItems") || each.path("items").isArray()
                                ? MissingNode.getInstance()
                                : each.path("items"),
                0);
    }

    private JsonNode part(JsonNode schema, UnaryOperator<JsonNode> own, int depth) {
        if (depth > MAX_DEPTH) {
            return MissingNode.getInstance();
        }
        JsonNode found = own.apply(schema);
        String reference = schema.path("$ref").asText();
        if (!found.isObject() && reference.startsWith("#")) {
            found = part(root.at(reference.substring(1)), own, depth + 1);
        }
        for (String keyword : new String[] {"anyOf", "oneOf", "allOf"}) {
            for (JsonNode each : schema.path(keyword)) {
                found = found.isObject() ? found : part(each, own, depth + 1);
            }
        }
        return found.isObject() ? found : MissingNode.getInstance();
    }
}
