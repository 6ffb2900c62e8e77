// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The schemas of a document by number, with their places, base addresses and references.
final class SchemaDocument {
    enum Draft {
        DRAFT_4,
        DRAFT_6_OR_7,
        LATER
    }

    /// Keywords whose value is a schema, an array of schemas, or an object of schemas.
    private static final Set<String> ONE =
            Set.of(
                    "additionalProperties",
                    "additionalItems",
                    "contains",
                    "else",
                    "if",
                    "items",
                    "not",
                    "propertyNames",
                    "then",
                    "unevaluatedItems",
                    "unevaluatedProperties",
                    "contentSchema");

    private static final Set<String> LIST =
            Set.of("allOf", "anyOf", "oneOf", "prefixItems", "items");
    private static final Set<String> NAMED =
            Set.of(
                    "$defs",
                    "definitions",
                    "dependencies",
                    "dependentSchemas",
                    "patternProperties",
                    "properties");

    private record Located(JsonNode node, String place, String base) {}

    private final JsonNode root;
    private final Draft draft;
    private final SchemaLimits limits;
    private final List<Located> schemas = new ArrayList<>();
    private final IdentityHashMap<JsonNode, Integer> ids = new IdentityHashMap<>();
    private final Map<String, JsonNode> addresses = new HashMap<>();

    SchemaDocument(JsonNode root, SchemaLimits limits) {
        this.root = root;
        this.limits = limits;
        this.draft = draft(root);
        addresses.put("", root);
        locate(root, "", "");
    }

    /// A document that does not say its draft is taken for the one whose word for definitions it
    /// has.
    private static Draft draft(JsonNode root) {
        String declared = root.path("$schema").asText("");
        if (declared.contains("draft-03") || declared.contains("draft-04")) {
            return Draft.DRAFT_4;
        }
        if (declared.contains("draft-06") || declared.contains("draft-07")) {
            return Draft.DRAFT_6_OR_7;
        }
        if (!declared.isEmpty() && !declared.contains("json-schema.org")) {
            throw new SchemaException(
                    "$schema", "", "the dialect '%s' is not known".formatted(declared));
        }
        return declared.isEmpty() && root.has("definitions") && !root.has("$defs")
                ? Draft.DRAFT_6_OR_7
                : Draft.LATER;
    }

    Draft draft() {
        return draft;
    }

    JsonNode node(int id) {
        return schemas.get(id).node;
    }

    String place(int id) {
        return schemas.get(id).place;
    }

    /// The schema `node` as a formula, `parent` being the place of the schema that has it.
    Formula formula(JsonNode node, int parent, String... path) {
        if (node.isBoolean()) {
            return node.booleanValue() ? Formula.TRUE : Formula.FALSE;
        }
        String place = place(parent) + pointer(path);
        if (!node.isObject()) {
            throw new SchemaException(
                    path[0], place(parent), "a schema must be an object or a boolean");
        }
        locate(node, place, schemas.get(parent).base);
        return node.isEmpty() ? Formula.TRUE : new Formula.Schema(requireNonNull(ids.get(node)));
    }

    private static String pointer(String... path) {
        var text = new StringBuilder();
        for (String step : path) {
            text.append('/').append(step.replace("~", "~0").replace("/", "~1"));
        }
        return text.toString();
    }

    private void locate(JsonNode node, String place, String outerBase) {
        if (!node.isObject() || ids.containsKey(node)) {
            return;
        }
        if (schemas.size() == limits.schemas()) {
            throw new SchemaException(
                    "$schema", place, "more than %d schemas".formatted(limits.schemas()));
        }
        String base = identify(node, outerBase);
        ids.put(node, schemas.size());
        schemas.add(new Located(node, place, base));
        for (Map.Entry<String, JsonNode> entry : node.properties()) {
            String keyword = entry.getKey();
            JsonNode value = entry.getValue();
            String at = place + pointer(keyword);
            if (ONE.contains(keyword) && value.isObject()) {
                locate(value, at, base);
            } else if (LIST.contains(keyword) && value.isArray()) {
                for (int i = 0; i < value.size(); i++) {
                    locate(value.get(i), at + "/" + i, base);
                }
            } else if (NAMED.contains(keyword) && value.isObject()) {
                for (Map.Entry<String, JsonNode> named : value.properties()) {
                    locate(named.getValue(), at + pointer(named.getKey()), base);
                }
            }
        }
    }

    /// Notes the addresses of a schema; its base address.
    private String identify(JsonNode node, String outerBase) {
        String base = outerBase;
        JsonNode id = node.path(draft == Draft.DRAFT_4 ? "id" : "$id");
        boolean alone = draft != Draft.LATER && node.has("$ref");
        if (id.isTextual() && !alone) {
            String address = resolve(outerBase, id.textValue());
            int hash = address.indexOf('#');
            if (hash < 0 || hash == address.length() - 1) {
                base = hash < 0 ? address : address.substring(0, hash);
                addresses.putIfAbsent(base, node);
            } else {
                addresses.putIfAbsent(address, node);
            }
        }
        for (String anchor : new String[] {"$anchor", "$dynamicAnchor"}) {
            if (node.path(anchor).isTextual()) {
                addresses.putIfAbsent(base + "#" + node.path(anchor).textValue(), node);
            }
        }
        return base;
    }

    private static String resolve(String base, String reference) {
        if (base.isEmpty() || reference.startsWith("urn:")) {
            return reference;
        }
        if (reference.startsWith("#")) {
            return base + reference;
        }
        try {
            return URI.create(base).resolve(reference).toString();
        } catch (IllegalArgumentException _) {
            return reference;
        }
    }

    /// The schema that the reference of schema `id` leads to.
    Formula referred(int id, String keyword, String reference) {
        String address = resolve(schemas.get(id).base, reference);
        JsonNode known = addresses.get(address);
        if (known == null) {
            int hash = address.indexOf('#');
            String document = hash < 0 ? address : address.substring(0, hash);
            String fragment = hash < 0 ? "" : address.substring(hash + 1);
            JsonNode start = addresses.get(document);
            if (start != null && (fragment.isEmpty() || fragment.startsWith("/"))) {
                known = follow(start, fragment);
            }
        }
        if (known == null) {
            throw new SchemaException(
                    keyword, place(id), "'%s' is not in the document".formatted(reference));
        }
        return formula(known, 0, keyword);
    }

    private static @Nullable JsonNode follow(JsonNode start, String pointer) {
        JsonNode at = start;
        if (pointer.isEmpty()) {
            return at;
        }
        for (String raw : pointer.substring(1).split("/", -1)) {
            String step = decode(raw).replace("~1", "/").replace("~0", "~");
            JsonNode next =
                    at.isArray() && step.matches("\\d{1,9}")
                            ? at.get(Integer.parseInt(step))
                            : at.get(step);
            if (next == null) {
                return null;
            }
            at = next;
        }
        return at;
    }

    private static String decode(String step) {
        try {
            return URLDecoder.decode(step.replace("+", "%2B"), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException _) {
            return step;
        }
    }

    Formula start() {
        if (root.isBoolean()) {
            return root.booleanValue() ? Formula.TRUE : Formula.FALSE;
        }
        if (!root.isObject()) {
            throw new SchemaException("$schema", "", "a schema must be an object or a boolean");
        }
        return formula(root, 0, "$schema");
    }
}
