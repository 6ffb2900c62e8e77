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
import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.regex.Recognizer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;

/// Compiles JSON Schemas.
public final class JsonSchema {
    private JsonSchema() {}

    /// The grammar of the texts that are instances of the schema.
    ///
    /// @throws SchemaException with keyword and place, if the schema is malformed, over a limit, or
    ///   asks for what a grammar cannot enforce
    public static Grammar grammar(String schema, Layout layout, SchemaLimits limits) {
        return made(
                schema,
                limits,
                document ->
                        new ShapeRules(
                                        new Expansion(document, limits, StringText.JSON),
                                        limits,
                                        layout,
                                        new JsonWriter(layout, JsonWriter.Words.JSON),
                                        "")
                                .grammar(document.start()));
    }

    /// As above, for objects in another notation.
    public static Grammar grammar(
            String schema, Notation notation, Layout layout, SchemaLimits limits) {
        return made(
                schema,
                limits,
                document ->
                        switch (notation) {
                            case Notation.Members members ->
                                    members(document, members, layout, limits);
                            case Notation.Quoted quoted ->
                                    raw(document, new QuotedWriter(quoted), layout, limits);
                            case Notation.Elements elements ->
                                    raw(document, new ElementsWriter(elements), layout, limits);
                        });
    }

    private static Grammar raw(
            SchemaDocument document, ValueWriter writer, Layout layout, SchemaLimits limits) {
        var expansion = new Expansion(document, limits, StringText.RAW);
        return new ShapeRules(expansion, limits, layout, writer, "").grammar(document.start());
    }

    private static Grammar members(
            SchemaDocument document, Notation.Members members, Layout layout, SchemaLimits limits) {
        boolean literals =
                members.forms().stream().anyMatch(form -> form.kind() == Notation.Kind.LITERAL);
        var json =
                new ShapeRules(
                        new Expansion(document, limits, StringText.JSON),
                        limits,
                        layout,
                        new JsonWriter(
                                layout, literals ? JsonWriter.Words.PYTHON : JsonWriter.Words.JSON),
                        "j");
        Grammar arguments =
                new ShapeRules(
                                new Expansion(document, limits, StringText.RAW),
                                limits,
                                layout,
                                new MembersWriter(members, json),
                                "")
                        .grammar(document.start());
        Map<String, Expression> rules = new HashMap<>(arguments.rules());
        rules.putAll(json.finished());
        return new Grammar(rules, arguments.start());
    }

    private static Grammar made(
            String schema, SchemaLimits limits, Function<SchemaDocument, Grammar> writer) {
        int bytes = schema.getBytes(StandardCharsets.UTF_8).length;
        if (bytes > limits.bytes()) {
            throw new SchemaException(
                    "$schema",
                    "",
                    "%d bytes exceed the limit of %d".formatted(bytes, limits.bytes()));
        }
        try {
            return writer.apply(new SchemaDocument(read(schema, limits), limits));
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
