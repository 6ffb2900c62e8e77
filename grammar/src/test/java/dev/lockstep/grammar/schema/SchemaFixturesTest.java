// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.GrammarException;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.TextMatcher;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Schemas with instances that are valid or not: what compiles has no wrong verdict.
@Tag("sweep")
class SchemaFixturesTest {
    private static final ObjectMapper JSON =
            JsonMapper.builder()
                    .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
                    .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
                    .build();

    private final List<String> wrong = new ArrayList<>();
    private final Map<String, List<String>> refused = new TreeMap<>();
    private int schemas;
    private int compiled;

    @Test
    void schemasThatPeopleUse() throws IOException {
        run("json-schema/real.jsonl", 0.92);
    }

    @Test
    void theSuiteOfTheStandard() throws IOException {
        run("json-schema/suite.jsonl", 0.72);
    }

    private void run(String fixture, double goal) throws IOException {
        Path path = Fixtures.require(fixture);
        for (String line : Files.readAllLines(path)) {
            JsonNode group = JSON.readTree(line);
            schemas++;
            check(group);
        }
        System.out.printf(
                "%s: %d of %d schemas compile (%.1f %%), wrong verdicts: %d%n",
                fixture, compiled, schemas, 100.0 * compiled / schemas, wrong.size());
        refused.entrySet().stream()
                .sorted((a, b) -> b.getValue().size() - a.getValue().size())
                .forEach(
                        entry ->
                                System.out.printf(
                                        "%4d  %s, such as %s%n",
                                        entry.getValue().size(),
                                        entry.getKey(),
                                        entry.getValue().getFirst()));
        assertEquals(List.of(), wrong.stream().limit(10).toList());
        assertTrue(compiled >= goal * schemas, "compiled: " + compiled);
    }

    private void check(JsonNode group) {
        String name = group.get("name").textValue();
        TextMatcher matcher;
        try {
            Grammar grammar =
                    JsonSchema.grammar(
                            group.get("schema").toString(), Layout.FLEXIBLE, SchemaLimits.DEFAULT);
            matcher = CompiledGrammar.compile(grammar, GrammarLimits.DEFAULT).text();
        } catch (SchemaException refusal) {
            refuse(refusal.keyword(), name + ": " + refusal.getMessage());
            return;
        } catch (GrammarException refusal) {
            refuse("(grammar)", name + ": " + refusal.getMessage());
            return;
        }
        compiled++;
        for (JsonNode test : group.get("tests")) {
            boolean valid = test.get("valid").booleanValue();
            for (Spelling spelling : Spelling.values()) {
                String text = spelling.write(test.get("data"));
                boolean accepted;
                try {
                    accepted = matcher.matches(text.getBytes(StandardCharsets.UTF_8));
                } catch (RuntimeException failed) {
                    wrong.add(name + " " + spelling + " fails: " + failed);
                    continue;
                }
                if (accepted != valid) {
                    wrong.add(
                            "%s %s is %s: %s"
                                    .formatted(
                                            name,
                                            spelling,
                                            valid ? "valid" : "not valid",
                                            test.get("data")));
                }
            }
        }
    }

    private void refuse(String keyword, String what) {
        refused.computeIfAbsent(keyword, _ -> new ArrayList<>()).add(what);
    }
}
