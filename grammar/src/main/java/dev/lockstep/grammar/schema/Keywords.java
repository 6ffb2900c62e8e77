// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.grammar.regex.Recognizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// What one schema allows, and what it forbids, keyword by keyword.
///
/// A schema is the conjunction of its keywords, so what it forbids is what any of them forbids.
final class Keywords {
    /// Keywords that are known and for which no grammar exists here.
    private static final Set<String> REFUSED =
            Set.of(
                    "$dynamicRef",
                    "$recursiveRef",
                    "unevaluatedItems",
                    "unevaluatedProperties",
                    "extends",
                    "disallow",
                    "divisibleBy");

    /// Keywords that draft 4 does not know, so that they mean nothing in it.
    private static final Set<String> AFTER_DRAFT_4 =
            Set.of("const", "contains", "propertyNames", "if");

    private final SchemaDocument document;
    private final Expansion expansion;
    private final List<KeywordGroup> groups;

    Keywords(SchemaDocument document, SchemaLimits limits, Expansion expansion) {
        this.document = document;
        this.expansion = expansion;
        this.groups =
                List.of(
                        new TypeKeywords(document),
                        new ConstantKeywords(document, limits, expansion),
                        new NumberKeywords(),
                        new StringKeywords(expansion.strings()),
                        new ArrayKeywords(document, limits),
                        new ObjectKeywords(document, limits, expansion),
                        new LogicKeywords(document, expansion));
    }

    /// Alternatives of one schema's keywords, each a value that must or may be met.
    interface KeywordGroup {
        /// What the keyword asks for; null if the group does not know it or another one includes
        /// it.
        @Nullable Condition condition(Place at, String keyword, JsonNode value);
    }

    /// The schema with the keyword.
    record Place(int id, JsonNode schema, String pointer) {
        SchemaException refusal(String keyword, String what) {
            return new SchemaException(keyword, pointer, what);
        }
    }

    /// What a keyword allows and what it forbids.
    interface Condition {
        Value allowed();

        Value forbidden();
    }

    Value allowed(int id) {
        Value value = Value.ANY;
        for (Named named : conditions(id)) {
            value = named.guarded(() -> named.condition.allowed(), value, expansion);
        }
        return value;
    }

    Value forbidden(int id) {
        Value value = Value.NONE;
        for (Named named : conditions(id)) {
            value = value.or(named.guarded(() -> named.condition.forbidden()));
        }
        return value;
    }

    private record Named(Place at, String keyword, Condition condition) {
        Value guarded(Supplier<Value> made) {
            try {
                return made.get();
            } catch (Expansion.TooManyAlternatives _) {
                throw at.refusal(keyword, "it leads to too many alternatives");
            } catch (Recognizer.Exhausted _) {
                throw at.refusal(keyword, "it takes too much work to compile");
            }
        }

        Value guarded(Supplier<Value> made, Value before, Expansion expansion) {
            return guarded(() -> before.and(made.get(), expansion));
        }
    }

    private List<Named> conditions(int id) {
        JsonNode schema = document.node(id);
        var at = new Place(id, schema, document.place(id));
        var result = new ArrayList<Named>();
        boolean referenceAlone =
                document.draft() != SchemaDocument.Draft.LATER && schema.path("$ref").isTextual();
        for (Map.Entry<String, JsonNode> entry : schema.properties()) {
            String keyword = entry.getKey();
            if (referenceAlone && !keyword.equals("$ref")) {
                continue;
            }
            if (document.draft() == SchemaDocument.Draft.DRAFT_4
                    && AFTER_DRAFT_4.contains(keyword)) {
                continue;
            }
            if (REFUSED.contains(keyword)) {
                throw at.refusal(keyword, "not supported");
            }
            for (KeywordGroup group : groups) {
                Condition condition = group.condition(at, keyword, entry.getValue());
                if (condition != null) {
                    // Members come first in the order in which `properties` has them.
                    result.add(
                            keyword.equals("properties") ? 0 : result.size(),
                            new Named(at, keyword, condition));
                    break;
                }
            }
        }
        return result;
    }
}
