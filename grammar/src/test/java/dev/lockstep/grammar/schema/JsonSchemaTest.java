// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.TextMatcher;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JsonSchemaTest {
    private static TextMatcher matcher(String schema, Layout layout) {
        return CompiledGrammar.compile(
                        JsonSchema.grammar(schema, layout, SchemaLimits.DEFAULT),
                        GrammarLimits.DEFAULT)
                .text();
    }

    private static boolean accepts(TextMatcher matcher, String text) {
        return matcher.matches(text.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void compactHasNoSpaceAndTheOrderOfTheSchema() {
        TextMatcher matcher =
                matcher(
                        """
                        {"type": "object", "required": ["a", "c"],
                         "properties": {"a": {"type": "integer"}, "b": {}, "c": {"type": "null"}}}""",
                        Layout.COMPACT);
        assertTrue(accepts(matcher, "{\"a\":1,\"c\":null}"));
        assertTrue(accepts(matcher, "{\"a\":1,\"b\":[true],\"c\":null,\"d\":{}}"));
        assertFalse(accepts(matcher, "{\"c\":null,\"a\":1}"));
        assertFalse(accepts(matcher, "{\"a\":1, \"c\":null}"));
        assertFalse(accepts(matcher, "{\"a\":1}"));
        assertFalse(accepts(matcher, "{\"a\":1,\"a\":1,\"c\":null}"));
    }

    @Test
    void flexibleHasSpaceAndAnyOrder() {
        TextMatcher matcher =
                matcher(
                        """
                        {"type": "object", "required": ["a", "c"],
                         "properties": {"a": {"type": "integer"}, "b": {}, "c": {"type": "null"}},
                         "additionalProperties": false}""",
                        Layout.FLEXIBLE);
        assertTrue(accepts(matcher, "{\n  \"c\": null,\r\n\t\"a\" : 1 }"));
        assertFalse(accepts(matcher, "{\"c\": null, \"a\": 1, \"d\": 2}"));
        assertFalse(accepts(matcher, "{\"c\": null, \"b\": 1}"));
        assertFalse(accepts(matcher, "{\"c\": null, \"a\": 1, \"a\": 1}"));
    }

    @Test
    void anIntegerHasAtMostOneZeroBehindThePoint() {
        TextMatcher integers = matcher("{\"type\": \"integer\", \"maximum\": 9}", Layout.COMPACT);
        assertTrue(accepts(integers, "5"));
        assertTrue(accepts(integers, "5.0"));
        assertFalse(accepts(integers, "5.00"));
        assertFalse(accepts(integers, "5.5"));
        TextMatcher others = matcher("{\"not\": {\"type\": \"integer\"}}", Layout.COMPACT);
        assertTrue(accepts(others, "5.50"));
        assertFalse(accepts(others, "5.0"));
        assertFalse(accepts(others, "5.00"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"properties\": {\"x\": {\"uniqueItems\": true, \"type\": \"array\"}}}|uniqueItems|/properties/x",
                "{\"items\": {\"unevaluatedProperties\": false}}|unevaluatedProperties|/items",
                "{\"anyOf\": [{\"$ref\": \"http://a/b\"}]}|$ref|/anyOf/0",
                "{\"$defs\": {\"a\": {\"$ref\": \"#/$defs/a\"}}, \"$ref\": \"#/$defs/a\"}|$ref|''",
                "{\"properties\": {\"a/b\": {\"type\": \"string\", \"pattern\": \"(a)\\\\1\"}}}|pattern|/properties/a~1b",
                "{\"type\": \"string\", \"format\": \"regex\"}|format|''",
                "{\"not\": {\"type\": \"string\", \"format\": \"uri\"}}|format|/not",
                "{\"$schema\": \"http://a/b\"}|$schema|''",
                "{\"type\": \"thing\"}|type|''",
                "{\"multipleOf\": 13}|multipleOf|''",
                "{\"required\": true}|required|''",
                "{\"minLength\": -1}|minLength|''",
                "{\"maxItems\": 10001}|maxItems|''",
                "{\"minProperties\": 2}|minProperties|''",
                "{\"not\": {\"additionalProperties\": {\"type\": \"null\"}}}|additionalProperties|/not",
                "{\"type\": \"object\"|$schema|''",
                "{\"type\": \"object\", \"type\": \"string\"}|$schema|''"
            })
    void whatCannotBeEnforcedIsRefusedWithKeywordAndPlace(
            String schema, String keyword, String place) {
        SchemaException refused =
                assertThrows(SchemaException.class, () -> matcher(schema, Layout.COMPACT));
        assertEquals(keyword, refused.keyword(), refused.getMessage());
        assertEquals(place, refused.place(), refused.getMessage());
    }

    @ParameterizedTest
    @CsvSource({"draft-04", "draft-07", "draft/2020-12"})
    void arraysAndObjectsCanBeConstants(String draft) {
        TextMatcher matcher =
                matcher(
                        """
                        {"$schema": "http://json-schema.org/%s/schema#",
                         "enum": [{"a": [1, {"b": null}]}, [true, "x"]]}"""
                                .formatted(draft),
                        Layout.COMPACT);
        assertTrue(accepts(matcher, "{\"a\":[1,{\"b\":null}]}"));
        assertTrue(accepts(matcher, "[true,\"x\"]"));
        assertFalse(accepts(matcher, "{\"a\":[2,{\"b\":null}]}"));
        assertFalse(accepts(matcher, "{\"a\":[1,{\"b\":1}]}"));
        assertFalse(accepts(matcher, "{\"a\":[1]}"));
        assertFalse(accepts(matcher, "[true,\"y\"]"));
        assertFalse(accepts(matcher, "[true,\"x\",1]"));
    }

    @Test
    void limitsHoldAtTheirValue() {
        var limits = new SchemaLimits(100, 4, 3, 2, 64, 50);
        JsonSchema.grammar("{\"enum\":[1,2]}", Layout.COMPACT, limits);
        JsonSchema.grammar("{\"items\":{\"items\":{}}}", Layout.COMPACT, limits);
        for (String over :
                new String[] {
                    "{\"enum\":[1,2,3]}",
                    "{\"items\":{\"items\":{\"items\":{\"items\":{}}}}}",
                    "{\"anyOf\":[{\"a\":1},{\"b\":1},{\"c\":1}]}",
                    "{\"title\":\"" + "x".repeat(100) + "\"}"
                }) {
            assertThrows(
                    SchemaException.class, () -> JsonSchema.grammar(over, Layout.COMPACT, limits));
        }
    }

    @Test
    void rangesOfNumbersAreExact() {
        var random = new Random(5);
        String[] bounds = {"0", "-0.5", "10", "99.95", "-1000", "0.001", "1e16", "3.2e-7", "7"};
        for (String bound : bounds) {
            TextMatcher least =
                    matcher(
                            "{\"minimum\": %s, \"type\": \"number\"}".formatted(bound),
                            Layout.COMPACT);
            TextMatcher above =
                    matcher(
                            "{\"exclusiveMinimum\": %s, \"type\": \"number\"}".formatted(bound),
                            Layout.COMPACT);
            TextMatcher most =
                    matcher(
                            "{\"maximum\": %s, \"type\": \"number\"}".formatted(bound),
                            Layout.COMPACT);
            TextMatcher not =
                    matcher(
                            "{\"type\": \"number\", \"not\": {\"maximum\": %s}}".formatted(bound),
                            Layout.COMPACT);
            var value = new BigDecimal(bound);
            for (int i = 0; i < 200; i++) {
                String text = number(random, bound);
                int order = new BigDecimal(text).compareTo(value);
                assertEquals(order >= 0, accepts(least, text), text + " >= " + bound);
                assertEquals(order > 0, accepts(above, text), text + " > " + bound);
                assertEquals(order <= 0, accepts(most, text), text + " <= " + bound);
                assertEquals(order > 0, accepts(not, text), "not " + text + " <= " + bound);
            }
        }
    }

    private static String number(Random random, String bound) {
        String sign = random.nextInt(3) == 0 ? "-" : "";
        return switch (random.nextInt(5)) {
            case 0 -> sign + random.nextInt(120);
            case 1 -> sign + random.nextInt(101) + "." + random.nextInt(1000);
            case 2 ->
                    sign
                            + (1 + random.nextInt(9))
                            + "."
                            + random.nextInt(100)
                            + "e+"
                            + (16 + random.nextInt(3));
            case 3 ->
                    sign
                            + (1 + random.nextInt(9))
                            + "."
                            + random.nextInt(100)
                            + "e-0"
                            + (1 + random.nextInt(9));
            default -> {
                String plain = new BigDecimal(bound).toPlainString();
                yield plain.contains(".") ? plain + "0" : plain + ".00";
            }
        };
    }

    @ParameterizedTest
    @CsvSource({"0.01", "0.5", "2.5", "1", "3", "7", "12", "40", "0.75", "1000", "14"})
    void multiplesAreExact(String of) {
        var random = new Random(9);
        TextMatcher multiple =
                matcher("{\"type\": \"number\", \"multipleOf\": %s}".formatted(of), Layout.COMPACT);
        TextMatcher other =
                matcher(
                        "{\"type\": \"number\", \"not\": {\"multipleOf\": %s}}".formatted(of),
                        Layout.COMPACT);
        var step = new BigDecimal(of);
        for (int i = 0; i < 300; i++) {
            String text =
                    switch (random.nextInt(3)) {
                        case 0 ->
                                step.multiply(BigDecimal.valueOf(random.nextInt(500) - 100))
                                        .toPlainString();
                        case 1 -> Integer.toString(random.nextInt(3000));
                        default ->
                                random.nextInt(200)
                                        + "."
                                        + random.nextInt(100)
                                        + "0".repeat(random.nextInt(3));
                    };
            boolean divides = new BigDecimal(text).remainder(step).signum() == 0;
            assertEquals(divides, accepts(multiple, text), text + " by " + of);
            assertEquals(!divides, accepts(other, text), "not " + text + " by " + of);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "date, 2024-02-29, 2023-02-29",
        "date, 1900-02-28, 1900-02-29",
        "date-time, 2024-05-06T07:08:09.5Z, 2024-05-06 07:08:09",
        "time, 23:59:60Z, 24:00:00Z",
        "duration, P1Y2M3DT4H, P1D2H",
        "email, a.b+c@example.org, a..b@example.org",
        "hostname, a-b.example, -a.example",
        "ipv4, 192.168.0.255, 192.168.0.256",
        "ipv6, 1::8:1.2.3.4, 1::2::3",
        "ipv6, ::, :",
        "ipv6, 1:2:3:4:5:6:7::, 1:2:3:4:5:6:7:8:9",
        "uuid, 123e4567-e89b-12d3-a456-426614174000, 123e4567",
        "uri, https://u@h.example:80/a/b?c=d#e, //h/a",
        "uri, urn:a:b, http://[::1",
        "uri-reference, ../a?b, 1:b",
        "json-pointer, /a/~1b, a",
        "iri, https://é.example/ü, é"
    })
    void formatsAreLanguages(String format, String in, String out) {
        TextMatcher matcher =
                matcher(
                        "{\"type\": \"string\", \"format\": \"%s\"}".formatted(format),
                        Layout.COMPACT);
        assertTrue(accepts(matcher, '"' + in + '"'), in);
        assertFalse(accepts(matcher, '"' + out + '"'), out);
    }
}
