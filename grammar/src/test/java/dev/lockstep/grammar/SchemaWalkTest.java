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
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Whatever tokens the masks of a schema's grammar allow, the text is an instance of the schema, as
/// the validator of another project finds.
@Timeout(600)
class SchemaWalkTest {
    private static final int SEEDS = Boolean.getBoolean("lockstep.long") ? 10_000 : 800;
    private static final int SPECIALS = 2;
    private static final int FREE_TOKENS = 30;
    private static final int MOST_TOKENS = 3_000;
    private static final byte[][] TOKENS = MadeVocabulary.of(4_000, SPECIALS);
    private static final TokenTrie TRIE =
            new TokenTrie(TOKENS, MadeVocabulary.specials(4_000, SPECIALS));

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
        int ended = 0;
        int perSchema = Math.ceilDiv(SEEDS, lines.size());
        for (int i = 0; i < lines.size(); i++) {
            JsonNode schema = JSON.readTree(lines.get(i)).get("schema");
            // In any order, a walk may never come to the names of required properties.
            Layout layout = i % 8 == 0 ? Layout.FLEXIBLE : Layout.COMPACT;
            TokenMachine machine;
            try {
                Grammar grammar =
                        JsonSchema.grammar(schema.toString(), layout, SchemaLimits.DEFAULT);
                machine = CompiledGrammar.compile(grammar, GrammarLimits.DEFAULT).on(TRIE);
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
            for (int seed = 0; seed < perSchema; seed++) {
                walks += layout == Layout.COMPACT ? 1 : 0;
                String text = walk(machine, new Random(seed * 10_007L + i));
                if (!text.isEmpty()) {
                    ended += layout == Layout.COMPACT ? 1 : 0;
                    Set<ValidationMessage> found = validator.validate(plain(JSON.readTree(text)));
                    if (!found.isEmpty()) {
                        wrong.add("line %d: %s of %s".formatted(i + 1, found, JSON.readTree(text)));
                    }
                }
            }
        }
        System.out.println(
                ended + " of " + walks + " walks ended; the validator cannot read " + unread);
        assertEquals(List.of(), wrong.stream().limit(5).toList(), wrong.size() + " are wrong");
        assertTrue(unread.size() < 0.02 * lines.size(), unread::toString);
        assertTrue(ended > 0.98 * walks && walks > 0.8 * SEEDS, ended + " of " + walks + " ended");
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

    /// Chooses tokens at random, and after some of them those that bring the text to an end.
    ///
    /// @return the text; empty if it has not come to an end
    private static String walk(TokenMachine machine, Random random) {
        Matcher matcher = machine.matcher();
        var text = new ByteArrayOutputStream();
        long[] mask = new long[TRIE.words()];
        int free = random.nextInt(FREE_TOKENS);
        for (int count = 0; count < MOST_TOKENS; count++) {
            if (matcher.complete()
                    || (matcher.mayEnd() && (count > free || random.nextInt(4) == 0))) {
                return text.toString(StandardCharsets.UTF_8);
            }
            matcher.mask(mask);
            int id = count > free ? ending(mask, random) : any(mask, random);
            assertTrue(matcher.accept(id), "a masked token is not accepted");
            text.writeBytes(TOKENS[id]);
        }
        return "";
    }

    private static int any(long[] mask, Random random) {
        int count = 0;
        for (long word : mask) {
            count += Long.bitCount(word);
        }
        assertTrue(count > 0, "no token is allowed");
        int left = random.nextInt(count);
        for (int word = 0; ; word++) {
            long bits = mask[word];
            if (left >= Long.bitCount(bits)) {
                left -= Long.bitCount(bits);
                continue;
            }
            for (; left > 0; left--) {
                bits &= bits - 1;
            }
            return word * Long.SIZE + Long.numberOfTrailingZeros(bits);
        }
    }

    /// Ends what can be ended, or else goes on by a character: the first ids are the bytes. Now and
    /// then any character, because one that a pattern demands may be none of those.
    private static int ending(long[] mask, Random random) {
        if (random.nextInt(4) > 0) {
            for (char each : new char[] {'"', '}', ']', ':', ','}) {
                if ((mask[each / Long.SIZE] >>> each & 1) != 0) {
                    return each;
                }
            }
        }
        long[] ascii = {mask[0], mask[1]};
        return (ascii[0] | ascii[1]) == 0 ? any(mask, random) : any(ascii, random);
    }
}
