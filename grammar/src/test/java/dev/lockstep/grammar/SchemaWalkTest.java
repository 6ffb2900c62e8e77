// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BigIntegerNode;
import com.fasterxml.jackson.databind.node.IntNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SchemaValidatorsConfig;
import com.networknt.schema.SpecVersion;
import com.networknt.schema.ValidationMessage;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.grammar.schema.JsonSchema;
import dev.lockstep.grammar.schema.Layout;
import dev.lockstep.grammar.schema.SchemaException;
import dev.lockstep.grammar.schema.SchemaLimits;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Whatever tokens the masks of a schema's grammar allow, the text comes to an end and is an
/// instance of the schema, as the validator of another project finds.
@Tag("sweep")
@Timeout(600)
class SchemaWalkTest {
    private static final int SEEDS = Boolean.getBoolean("lockstep.long") ? 10_000 : 800;
    private static final int SPECIALS = 2;
    private static final TokenTrie TRIE =
            new TokenTrie(
                    MadeVocabulary.of(4_000, SPECIALS), MadeVocabulary.specials(4_000, SPECIALS));

    private static final ObjectMapper JSON =
            JsonMapper.builder()
                    .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .build();

    private static final Map<String, SpecVersion.VersionFlag> VERSIONS =
            Map.of(
                    "draft-04", SpecVersion.VersionFlag.V4,
                    "draft-06", SpecVersion.VersionFlag.V6,
                    "draft-07", SpecVersion.VersionFlag.V7,
                    "2019-09", SpecVersion.VersionFlag.V201909,
                    "2020-12", SpecVersion.VersionFlag.V202012);

    @Test
    void walksThroughMasksEndInInstances() throws IOException {
        List<String> lines = Files.readAllLines(Fixtures.require("json-schema/real.jsonl"));
        List<String> wrong = new ArrayList<>();
        List<String> unread = new ArrayList<>();
        int walks = 0;
        int endedShortly = 0;
        int perSchema = Math.ceilDiv(SEEDS, lines.size());
        for (int i = 0; i < lines.size(); i++) {
            JsonNode schema = JSON.readTree(lines.get(i)).get("schema");
            Layout layout = i % 8 == 0 ? Layout.FLEXIBLE : Layout.COMPACT;
            CompiledGrammar compiled;
            try {
                Grammar grammar =
                        JsonSchema.grammar(schema.toString(), layout, SchemaLimits.DEFAULT);
                compiled = CompiledGrammar.compile(grammar, GrammarLimits.DEFAULT);
            } catch (SchemaException | GrammarException _) {
                continue;
            }
            com.networknt.schema.JsonSchema validator;
            try {
                validator = validator(schema);
                validator.initializeValidators();
            } catch (RuntimeException e) {
                unread.add("line %d: %s".formatted(i + 1, e));
                continue;
            }
            TokenMachine machine = compiled.on(TRIE);
            for (int seed = 0; seed < perSchema; seed++) {
                walks++;
                var walk = new Walk(machine, new Random(seed * 10_007L + i));
                if (!walk.end()) {
                    endedShortly++;
                    walk.endShortly(compiled);
                }
                Set<ValidationMessage> found =
                        validator.validate(plain(JSON.readTree(walk.text())));
                if (!found.isEmpty()) {
                    wrong.add("line %d: %s of %s".formatted(i + 1, found, walk.text()));
                }
            }
        }
        System.out.println(
                walks
                        + " walks, of which "
                        + endedShortly
                        + " went the shortest way to an end; the validator cannot read "
                        + unread);
        assertEquals(List.of(), wrong.stream().limit(5).toList(), wrong.size() + " are wrong");
        assertTrue(unread.size() < 0.02 * lines.size(), unread::toString);
        assertTrue(walks >= SEEDS, walks + " walks");
    }

    private static com.networknt.schema.JsonSchema validator(JsonNode schema) {
        String version = schema.path("$schema").asText("");
        SpecVersion.VersionFlag flag =
                VERSIONS.entrySet().stream()
                        .filter(each -> version.contains(each.getKey()))
                        .map(Map.Entry::getValue)
                        .findFirst()
                        .orElse(
                                schema.has("definitions") && !schema.has("$defs")
                                        ? SpecVersion.VersionFlag.V7
                                        : SpecVersion.VersionFlag.V202012);
        // Names of whole schemas need not be URIs, which the validator demands.
        ObjectNode unnamed = ((ObjectNode) schema).without(List.of("id", "$id"));
        removeFormats(unnamed);
        return JsonSchemaFactory.getInstance(flag)
                .getSchema(unnamed, SchemaValidatorsConfig.builder().build());
    }

    /// Removes formats that the validator asserts otherwise: those beside no type are annotations,
    /// a time may be up to 23:59 away from UTC, not only 18:00, an address may be longer than mail
    /// allows, and a URI may end with its scheme.
    private static void removeFormats(JsonNode schema) {
        if (schema instanceof ObjectNode object) {
            String format = object.path("format").asText("");
            if (!format.isEmpty()
                    && (!object.has("type") || format.matches("time|date-time|email|uri"))) {
                object.remove("format");
            }
        }
        schema.forEach(SchemaWalkTest::removeFormats);
    }

    /// Writes whole numbers as such: within arrays and objects of an `enum` the validator finds 2.0
    /// and 2 different.
    private static JsonNode plain(JsonNode node) {
        if (node instanceof ObjectNode object) {
            object.properties().forEach(each -> each.setValue(plain(each.getValue())));
        } else if (node instanceof ArrayNode array) {
            for (int i = 0; i < array.size(); i++) {
                array.set(i, plain(array.get(i)));
            }
        } else if (node.isBigDecimal() && node.decimalValue().stripTrailingZeros().scale() <= 0) {
            return node.canConvertToInt()
                    ? IntNode.valueOf(node.intValue())
                    : BigIntegerNode.valueOf(node.bigIntegerValue());
        }
        return node;
    }
}
