// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SchemaValidatorsConfig;
import com.networknt.schema.SpecVersion;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.Matcher;
import dev.lockstep.grammar.TokenMachine;
import dev.lockstep.grammar.TokenTrie;
import dev.lockstep.grammar.schema.Layout;
import dev.lockstep.text.ChatTemplate;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// Walks at random through the masks of the grammar of each published template: what a model could
/// write at most. The parser finds calls in it whose arguments match their schemas.
final class ToolGrammarWalkTest {
    private static final Clock CLOCK =
            Clock.fixed(Instant.parse("2026-01-15T12:00:00Z"), ZoneOffset.UTC);
    private static final int WALKS = 24;

    /// Tokens after which a walk looks for an end.
    private static final int LONG = 120;

    private static final int LONGEST = 3_000;

    private static final Map<String, JsonNode> FUNCTIONS = new LinkedHashMap<>();

    static {
        FUNCTIONS.put(
                "get_weather",
                RenderedAnswers.json(
                        """
                        {"type": "object", "additionalProperties": false, "required": ["city", "days"],
                         "properties": {
                           "city": {"type": "string", "minLength": 1, "maxLength": 20},
                           "days": {"type": "integer", "minimum": 1, "maximum": 14},
                           "code": {"type": "string", "pattern": "^[A-Z]{2,3}$"},
                           "unit": {"enum": ["°C", "it's F", 3, null]},
                           "when": {"type": "string", "format": "date"},
                           "ratio": {"type": ["number", "null"]},
                           "either": {"anyOf": [{"type": "string", "maxLength": 9},
                             {"type": "integer", "minimum": 10, "maximum": 5000},
                             {"type": "array", "items": {"type": "boolean"}, "maxItems": 2}]},
                           "any": {},
                           "flag": {"type": "boolean"},
                           "tags": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 3},
                           "node": {"$ref": "#/$defs/node"}},
                         "$defs": {"node": {"type": "object", "required": ["v"], "additionalProperties": false,
                           "properties": {"v": {"type": "string", "maxLength": 20}, "next": {"$ref": "#/$defs/node"}}}}}
                        """));
        FUNCTIONS.put(
                "find-train2",
                RenderedAnswers.json(
                        """
                        {"type": "object", "additionalProperties": {"type": "string", "maxLength": 9},
                         "patternProperties": {"^n_": {"type": "integer"}},
                         "maxProperties": 3, "minProperties": 1}
                        """));
        FUNCTIONS.put(
                "either_way",
                RenderedAnswers.json(
                        """
                        {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
                         "additionalProperties": false, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
                        """));
        FUNCTIONS.put("clock", RenderedAnswers.json("{}"));
    }

    private static final Map<String, JsonSchema> VALIDATORS = new TreeMap<>();

    static {
        SchemaValidatorsConfig config =
                SchemaValidatorsConfig.builder().formatAssertionsEnabled(true).build();
        JsonSchemaFactory factory = JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012);
        FUNCTIONS.forEach(
                (name, schema) -> VALIDATORS.put(name, factory.getSchema(schema, config)));
    }

    /// Tokens by id: first the texts of the format, then pieces and single bytes.
    private record Vocabulary(List<byte[]> tokens, List<String> markers, boolean special) {
        static Vocabulary of(AnswerFormat format, boolean special) {
            Set<String> texts = new LinkedHashSet<>();
            for (String marker : Markers.of(format)) {
                for (String unit : MarkerText.units(marker)) {
                    if (MarkerText.hasMarker(unit)) {
                        texts.add(unit);
                    }
                }
                if (!special && !marker.isBlank()) {
                    texts.add(marker);
                }
            }
            List<String> markers = List.copyOf(texts);
            List<byte[]> tokens = new ArrayList<>();
            markers.forEach(each -> tokens.add(each.getBytes(StandardCharsets.UTF_8)));
            for (String piece :
                    List.of(
                            "true", "null", ", ", "\": ", "{}", "'", "',", ")", "ü", "°C",
                            "\n\n")) {
                tokens.add(piece.getBytes(StandardCharsets.UTF_8));
            }
            for (int b = 0; b < 256; b++) {
                tokens.add(new byte[] {(byte) b});
            }
            return new Vocabulary(tokens, markers, special);
        }

        Map<String, Integer> specials() {
            Map<String, Integer> ids = new LinkedHashMap<>();
            for (int i = 0; special && i < markers.size(); i++) {
                ids.put(markers.get(i), i);
            }
            return ids;
        }

        TokenTrie trie() {
            return new TokenTrie(tokens.toArray(new byte[0][]), Set.copyOf(specials().values()));
        }

        boolean closes(int id) {
            byte[] bytes = tokens.get(id);
            return bytes.length == 1 && "\"}])'\n</".indexOf(bytes[0]) >= 0;
        }

        String text(List<Integer> ids) {
            var bytes = new ByteArrayOutputStream();
            ids.forEach(id -> bytes.writeBytes(tokens.get(id)));
            return bytes.toString(StandardCharsets.UTF_8);
        }
    }

    /// Returns the text of one walk.
    private static String walk(Matcher matcher, Vocabulary vocabulary, Random random) {
        List<Integer> ids = new ArrayList<>();
        long[] mask = new long[(vocabulary.tokens().size() + 63) / 64];
        while (!matcher.mayEnd() || (ids.size() < LONG && random.nextInt(3) > 0)) {
            matcher.mask(mask);
            int[] allowed =
                    IntStream.range(0, vocabulary.tokens().size())
                            .filter(id -> (mask[id / 64] >> id & 1) != 0)
                            .toArray();
            if (allowed.length == 0) {
                assertTrue(matcher.mayEnd(), "no way on behind " + vocabulary.text(ids));
                break;
            }
            int id = chosen(allowed, vocabulary, ids.size() > LONG, random);
            assertTrue(matcher.accept(id), "a token of the mask is accepted");
            ids.add(id);
            assertTrue(ids.size() < LONGEST, () -> "no end behind " + vocabulary.text(ids));
        }
        return vocabulary.text(ids);
    }

    /// Returns a token at random, more often one that ends something.
    private static int chosen(int[] allowed, Vocabulary vocabulary, boolean end, Random random) {
        int[] markers =
                IntStream.of(allowed).filter(id -> id < vocabulary.markers().size()).toArray();
        int[] closing = IntStream.of(allowed).filter(id -> vocabulary.closes(id)).toArray();
        int dice = random.nextInt(end ? 4 : 12);
        if (markers.length > 0 && dice < 2) {
            return markers[random.nextInt(markers.length)];
        }
        if (closing.length > 0 && dice < 3) {
            return closing[random.nextInt(closing.length)];
        }
        return allowed[random.nextInt(allowed.length)];
    }

    @Test
    void whatAGrammarAllowsIsAWellFormedCall() throws IOException {
        List<String> wrong = new ArrayList<>();
        int calls = 0;
        int formats = 0;
        for (Path file : templates()) {
            String name = file.getFileName().toString().replace(".jinja", "");
            AnswerFormat format =
                    AnswerFormat.learn(
                            ChatTemplate.parse(Files.readString(file), "<s>", "</s>"), CLOCK);
            if (format.tools().isEmpty()) {
                continue;
            }
            formats++;
            for (boolean special : new boolean[] {false, true}) {
                var vocabulary = Vocabulary.of(format, special);
                Grammar grammar =
                        ToolGrammar.required(
                                format.tools().get(),
                                FUNCTIONS,
                                true,
                                vocabulary.specials(),
                                Layout.COMPACT);
                TokenMachine machine =
                        CompiledGrammar.compile(grammar, GrammarLimits.DEFAULT)
                                .on(vocabulary.trie());
                for (int seed = 0; seed < WALKS; seed++) {
                    String text = walk(machine.matcher(), vocabulary, new Random(seed));
                    calls += check(format, text, name + " " + seed, wrong);
                }
            }
        }
        assertTrue(wrong.isEmpty(), () -> wrong.size() + "\n" + String.join("\n", wrong));
        assertEquals(44, formats);
        assertTrue(calls > 2 * WALKS * formats, "calls: " + calls);
    }

    /// Returns the number of calls.
    private static int check(AnswerFormat format, String text, String label, List<String> wrong) {
        Answer whole = Answer.whole(format, FUNCTIONS, "", text);
        ToolCallParser parser = format.parser(FUNCTIONS, true, "");
        List<AnswerEvent> events = new ArrayList<>();
        for (int i = 0; i < text.length(); i++) {
            events.addAll(parser.accept(text.substring(i, i + 1)));
        }
        events.addAll(parser.finish());
        Answer streamed = Answer.of(events);
        if (!RenderedAnswers.withoutIds(streamed).equals(RenderedAnswers.withoutIds(whole))) {
            wrong.add(label + ": streamed " + streamed + " of " + text);
        }
        if (whole.calls().isEmpty() || !whole.content().isBlank()) {
            wrong.add(label + ": " + whole + " of " + text);
        }
        for (Answer.Call call : whole.calls()) {
            JsonNode arguments = RenderedAnswers.json(call.arguments());
            JsonSchema validator = VALIDATORS.get(call.name());
            if (validator == null || !validator.validate(arguments).isEmpty()) {
                wrong.add(
                        label
                                + ": "
                                + call
                                + (validator == null ? "" : validator.validate(arguments))
                                + " of "
                                + text);
            }
        }
        return whole.calls().size();
    }

    private static List<Path> templates() throws IOException {
        try (Stream<Path> files = Files.list(Fixtures.require("chat-templates"))) {
            return files.filter(each -> each.toString().endsWith(".jinja")).sorted().toList();
        }
    }
}
