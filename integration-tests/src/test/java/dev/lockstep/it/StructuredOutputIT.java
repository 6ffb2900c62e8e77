// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.InputFormat;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.proto.v1.GroupStatus;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Texts of constrained requests to real processes match, with everything else that a request may
/// ask for, streamed and whole, while sequences are preempted.
@Isolated("a real model uses all cores")
@ExtendWith(LogsOnFailure.class)
final class StructuredOutputIT {
    private static final int MAX_MODEL_LEN = 192;
    private static final int BLOCK_SIZE = 16;

    /// Of all ranks: two of the longest sequences, plus the null block, of 30 layers with 3 KV
    /// heads of 64 values, keys and values, two bytes each.
    private static final int KV_BYTES =
            (2 * MAX_MODEL_LEN / BLOCK_SIZE + 1) * 30 * 3 * 64 * 2 * 2 * BLOCK_SIZE;

    private static final String PERSON =
            """
            {"type":"object","properties":{
              "name":{"type":"string","minLength":1,"maxLength":12},
              "age":{"type":"integer","minimum":0,"maximum":150},
              "pets":{"type":"array","items":{"enum":["cat","dog","bird"]},"maxItems":3},
              "home":{"anyOf":[{"type":"null"},{"type":"object","properties":{
                "city":{"type":"string","pattern":"^[A-Z][a-z]{1,9}$"}},
                "required":["city"],"additionalProperties":false}]}},
             "required":["name","age","pets","home"],"additionalProperties":false}
            """;

    private static final JsonSchema VALIDATOR =
            JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012).getSchema(PERSON);

    /// A request, and what each of its choices must be.
    private record Case(String name, String fields, Consumer<Generated> check) {
        ObjectNode body() {
            ObjectNode body =
                    JsonNodes.object()
                            .put("model", ServedCluster.MODEL)
                            .put("prompt", "Here is a short description of a person. It says:")
                            .put("max_tokens", 110)
                            .put("seed", 7)
                            .put("temperature", 0.9)
                            .put("return_token_ids", true);
            body.setAll((ObjectNode) JsonNodes.parse(fields));
            return body;
        }
    }

    private static List<Case> cases() {
        String schema =
                "{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"person\",\"strict\":true,\"schema\":%s}}%s}";
        List<Case> cases = new ArrayList<>();
        cases.add(new Case("schema", schema.formatted(PERSON, ""), StructuredOutputIT::isPerson));
        cases.add(
                new Case(
                        "penalties",
                        schema.formatted(
                                PERSON,
                                ",\"repetition_penalty\":1.3,\"presence_penalty\":1.5,\"frequency_penalty\":0.5"),
                        StructuredOutputIT::isPerson));
        cases.add(
                new Case(
                        "log-probabilities",
                        schema.formatted(PERSON, ",\"logprobs\":2"),
                        generated -> {
                            isPerson(generated);
                            assertEquals(generated.ids().size(), generated.logprobs().size());
                        }));
        cases.add(
                new Case(
                        "white space",
                        schema.formatted(PERSON, ",\"whitespace\":\"flexible\",\"temperature\":0"),
                        generated -> {
                            // It may be written as freely as the model likes, and so be too long.
                            if (generated.finishReason().equals("stop")) {
                                isPerson(generated);
                            }
                        }));
        cases.add(matching("regex", "\"regex\":\"[0-9]{3}-[0-9]{4}\"", "[0-9]{3}-[0-9]{4}"));
        cases.add(
                matching(
                        "choice",
                        "\"choice\":[\"an old man\",\"an old woman\",\"a child\"]",
                        "an old (wo)?man|a child"));
        cases.add(
                matching(
                        "GBNF",
                        "\"grammar\":\"root ::= sum\\nsum ::= [0-9]{1,4} (\\\" + \\\" [0-9]{1,4}){2}\"",
                        "[0-9]{1,4}( \\+ [0-9]{1,4}){2}"));
        cases.add(
                matching(
                        "Lark",
                        "\"grammar\":\"start: WORD (\\\", \\\" WORD)~2\\nWORD: /[a-z]{2,6}/\"",
                        "[a-z]{2,6}(, [a-z]{2,6}){2}"));
        cases.add(
                new Case(
                        "stop strings",
                        "{\"guided_regex\":\"[a-z ]{30,60}\",\"stop\":[\"e\",\"a\",\"o\"]}",
                        generated -> {
                            assertEquals("stop", generated.finishReason());
                            assertTrue(generated.text().matches("[b-df-np-z ]*"), generated::text);
                        }));
        cases.add(
                new Case(
                        "min_tokens",
                        "{\"guided_regex\":\"( [a-z]{2,9})+\",\"min_tokens\":20,\"max_tokens\":40}",
                        generated -> {
                            assertTrue(generated.ids().size() >= 20, generated::text);
                            // Text that the length cuts off is a beginning.
                            assertTrue(
                                    generated.text().matches("( [a-z]{2,9})*( [a-z]?)?"),
                                    generated::text);
                        }));
        cases.add(
                new Case(
                        "length",
                        schema.formatted(PERSON, ",\"max_tokens\":6"),
                        generated -> {
                            assertEquals("length", generated.finishReason());
                            assertTrue(
                                    generated.text().startsWith("{\"name\":\""), generated::text);
                            assertEquals(6, generated.ids().size());
                        }));
        return cases;
    }

    private static Case matching(String name, String member, String pattern, String... further) {
        String more = String.join(",", further);
        return new Case(
                name,
                "{\"structured_outputs\":{"
                        + member
                        + "}"
                        + (more.isEmpty() ? "" : "," + more)
                        + "}",
                generated -> {
                    assertTrue(generated.text().matches(pattern), generated::text);
                    assertEquals("stop", generated.finishReason());
                });
    }

    private static void isPerson(Generated generated) {
        assertEquals("stop", generated.finishReason(), generated::text);
        assertTrue(
                VALIDATOR.validate(generated.text(), InputFormat.JSON).isEmpty(), generated::text);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void everyConstraintHoldsWithEverythingElse(int ranks) throws Exception {
        try (ServedCluster cluster =
                ServedCluster.start(
                        Sandbox.plain(),
                        Fixtures.requireDefaultModel(),
                        "--tensor-parallel=" + ranks,
                        "--max-model-len=" + MAX_MODEL_LEN,
                        "--kv-memory=" + KV_BYTES,
                        "--max-num-batched-tokens=48")) {
            List<Case> cases = cases();
            List<Case> several = new ArrayList<>(cases);
            several.addAll(cases);
            List<Generated> whole =
                    Together.map(several, each -> checked(each, whole(cluster.api(), each)));
            List<Generated> streamed =
                    Together.map(cases, each -> checked(each, streamed(cluster.api(), each)));
            for (int i = 0; i < cases.size(); i++) {
                String name = cases.get(i).name();
                assertEquals(whole.get(i), whole.get(i + cases.size()), name);
                assertEquals(whole.get(i), streamed.get(i), name);
            }
            choicesDiffer(cluster.api());
            chatIsConstrained(cluster.api());
            badWordsDoNotCome(cluster.api());
            GroupStatus group = cluster.group();
            System.out.printf(
                    "%d ranks: %d preemptions, %d cached tokens%n",
                    ranks, group.getPreemptions(), group.getCachedTokens());
            assertTrue(group.getPreemptions() > 0, "sequences were preempted");
            assertTrue(group.getCachedTokens() > 0, "prompts were cached");
        }
    }

    private static Generated checked(Case each, Generated generated) {
        try {
            each.check().accept(generated);
        } catch (AssertionError e) {
            throw new AssertionError(each.name() + ": " + generated, e);
        }
        return generated;
    }

    private static Generated whole(Api api, Case each) {
        return Generated.of(api.post(CompletionBodies.COMPLETIONS, each.body()).ok());
    }

    private static Generated streamed(Api api, Case each) {
        ObjectNode body = each.body().put("stream", true);
        try (EventReader events = api.stream(CompletionBodies.COMPLETIONS, body)) {
            return Generated.of(events);
        }
    }

    private static void choicesDiffer(Api api) {
        ObjectNode body = cases().getFirst().body().put("n", 2);
        JsonNode choices = api.post(CompletionBodies.COMPLETIONS, body).ok().path("choices");
        assertEquals(2, choices.size());
        for (JsonNode choice : choices) {
            assertEquals("stop", choice.path("finish_reason").asText());
            assertTrue(
                    VALIDATOR.validate(choice.path("text").asText(), InputFormat.JSON).isEmpty(),
                    choice::toString);
        }
        assertFalse(
                choices.path(0).path("text").equals(choices.path(1).path("text")),
                choices::toString);
    }

    /// A word of two tokens, which come without the ban.
    private static void badWordsDoNotCome(Api api) {
        ObjectNode body =
                CompletionBodies.greedy(12).put("prompt", "The capital of France is the city of");
        List<Integer> free = Generated.of(api.post(CompletionBodies.COMPLETIONS, body).ok()).ids();
        ObjectNode pair = JsonNodes.object().put("model", ServedCluster.MODEL);
        pair.set("tokens", JsonNodes.array(free.subList(0, 2)));
        String word = api.post("/detokenize", pair).ok().path("prompt").asText();
        body.putArray("bad_words").add(word);
        List<Integer> without =
                Generated.of(api.post(CompletionBodies.COMPLETIONS, body).ok()).ids();
        assertEquals(free.getFirst(), without.getFirst(), word);
        assertEquals(-1, Collections.indexOfSubList(without, free.subList(0, 2)), word);
        assertTrue(word.startsWith(" ") && word.length() > 3, word);
    }

    private static void chatIsConstrained(Api api) {
        ObjectNode body = cases().getFirst().body();
        body.remove("prompt");
        body.putArray("messages").addObject().put("role", "user").put("content", "Who are you?");
        JsonNode choice = api.post(CompletionBodies.CHAT, body).ok().path("choices").path(0);
        String content = choice.path("message").path("content").asText();
        assertTrue(VALIDATOR.validate(content, InputFormat.JSON).isEmpty(), choice::toString);
        ((ObjectNode) body.get("response_format")).put("type", "xml");
        assertEquals(400, api.post(CompletionBodies.CHAT, body).status());
    }
}
