// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import static org.junit.jupiter.api.Assertions.assertNotNull;

import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.GrammarException;
import dev.lockstep.grammar.GrammarLimits;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What explodes is refused or compiled, and takes neither forever nor the stack.
@Tag("sweep")
class HostileSchemaTest {
    static String[] schemas() {
        return new String[] {
            "{\"type\":\"string\",\"pattern\":\"(((a{1,100}){1,100}){1,10}b?){0,9}\"}",
            "{\"type\":\"string\",\"pattern\":\"^(a?){5000}a{5000}$\"}",
            "{\"type\":\"string\",\"pattern\":\"" + "\\\\b".repeat(1000) + "\"}",
            "{\"type\":\"string\",\"pattern\":\"((?!a)(?=[^b]).){0,32}((?!c).){0,32}\"}",
            "{\"type\":\"string\",\"pattern\":\"" + "(".repeat(2000) + "\"}",
            "{\"type\":\"string\",\"pattern\":\"[\\\\p{L}\\\\p{N}]{1,9999}\\\\P{Lu}{3,999}\"}",
            "{\"allOf\":[" + list(40, "{\"pattern\":\"a.{%d}b\"}") + "],\"type\":\"string\"}",
            "{\"allOf\":["
                    + list(30, "{\"not\":{\"pattern\":\"a.{%d}b.{9}c\"}}")
                    + "],\"type\":\"string\"}",
            "{\"patternProperties\":{" + list(40, "\"a.{%d}b\":{\"type\":\"null\"}") + "}}",
            "{\"allOf\":["
                    + list(
                            30,
                            "{\"anyOf\":[{\"required\":[\"a%1$d\"]},{\"required\":[\"b%1$d\"]}]}")
                    + "]}",
            "{\"oneOf\":[" + list(60, "{\"properties\":{\"a%d\":{\"type\":\"null\"}}}") + "]}",
            "{\"dependentRequired\":{" + list(50, "\"a%1$d\":[\"b%1$d\"]") + "}}",
            "{\"enum\":[" + list(9000, "%d") + "]}",
            "{\"enum\":[" + list(4000, "\"text%d\"") + "]}",
            "{\"minItems\":10000,\"contains\":{\"const\":1},\"minContains\":9999}",
            "{\"type\":\"string\",\"minLength\":2000000000}",
            "{\"properties\":{"
                    + list(1500, "\"p%d\":{}")
                    + "},\"required\":["
                    + list(1500, "\"p%d\"")
                    + "]}",
            "{\"minimum\":1e-9999}",
            "{\"multipleOf\":1e-300}",
            "{\"$ref\":\"#/allOf/0\",\"allOf\":[{\"$ref\":\"#\"}]}",
            "{\"properties\":{\"a\":{\"allOf\":[{\"$ref\":\"#\"},{\"not\":{\"$ref\":\"#\"}}]}},\"required\":[\"a\"]}",
            "{\"$defs\":{"
                    + list(
                            200,
                            "\"d%1$d\":{\"properties\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/d%1$d\"},{\"not\":{\"$ref\":\"#/$defs/d0\"}}]}}}")
                    + "},\"$ref\":\"#/$defs/d1\"}",
            "[".repeat(1000),
        };
    }

    private static String list(int count, String entry) {
        return IntStream.range(0, count)
                .mapToObj(entry::formatted)
                .collect(Collectors.joining(","));
    }

    @ParameterizedTest
    @MethodSource("schemas")
    @Timeout(60)
    void isRefusedOrCompiled(String schema) {
        try {
            CompiledGrammar.compile(
                    JsonSchema.grammar(schema, Layout.FLEXIBLE, SchemaLimits.DEFAULT),
                    GrammarLimits.DEFAULT);
        } catch (SchemaException | GrammarException refused) {
            assertNotNull(refused.getMessage());
        }
    }
}
