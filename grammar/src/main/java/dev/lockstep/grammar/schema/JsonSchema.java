// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.regex.Recognizer;
import java.nio.charset.StandardCharsets;

/// Compiles JSON Schemas.
public final class JsonSchema {
    private JsonSchema() {}

    /// The grammar of the texts that are instances of the schema.
    ///
    /// @throws SchemaException with keyword and place, if the schema is malformed, over a limit, or
    ///   asks for what a grammar cannot enforce
    public static Grammar grammar(String schema, Layout layout, SchemaLimits limits) {
        int bytes = schema.getBytes(StandardCharsets.UTF_8).length;
        if (bytes > limits.bytes()) {
            throw new SchemaException(
                    "$schema",
                    "",
                    "%d bytes exceed the limit of %d".formatted(bytes, limits.bytes()));
        }
        return grammar(read(schema, limits), layout, limits);
    }

    private static Grammar grammar(JsonNode schema, Layout layout, SchemaLimits limits) {
        var document = new SchemaDocument(schema, limits);
        var expansion = new Expansion(document, limits);
        try {
            return new ShapeRules(expansion, limits, layout).grammar(document.start());
        } catch (Recognizer.Exhausted _) {
            throw new SchemaException("$schema", "", "it takes too much work to compile");
        }
    }

    private static JsonNode read(String schema, SchemaLimits limits) {
        ObjectMapper mapper =
                JsonMapper.builder(
                                JsonFactory.builder()
                                        .streamReadConstraints(
                                                StreamReadConstraints.builder()
                                                        .maxNestingDepth(limits.depth())
                                                        .build())
                                        .build())
                        .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                        .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                        .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
                        .build();
        try {
            return mapper.readTree(schema);
        } catch (JsonProcessingException malformed) {
            throw new SchemaException("$schema", "", malformed.getOriginalMessage());
        }
    }
}
