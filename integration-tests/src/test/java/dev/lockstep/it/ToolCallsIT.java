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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Calls of a model that knows no tools match their schemas, streamed and whole, while sequences
/// are preempted.
@Isolated("a real model uses all cores")
@ExtendWith(LogsOnFailure.class)
final class ToolCallsIT {
    private static final int MAX_MODEL_LEN = 192;
    private static final int BLOCK_SIZE = 16;

    /// One of the longest sequences, plus the null block: 30 layers with 3 KV heads of 64 values,
    /// keys and values, two bytes each.
    private static final int KV_BYTES =
            (MAX_MODEL_LEN / BLOCK_SIZE + 1) * 30 * 3 * 64 * 2 * 2 * BLOCK_SIZE;

    /// Calls stand between two special tokens, which clients do not see. The model thinks if it is
    /// told to.
    private static final String TEMPLATE =
            """
            {% if tools %}Call functions.
            {% endif %}{% for m in messages %}<|im_start|>{{ m.role }}
            {% if m.reasoning_content %}<think>
            {{ m.reasoning_content }}
            </think>

            {% endif %}{{ m.content }}{% for c in m.tool_calls or [] %}<file_sep>{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}<filename>{% endfor %}<|im_end|>
            {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
            <think>
            {% if not enable_thinking %}

            </think>

            {% endif %}{% endif %}""";

    /// Thinks for eight tokens, and cannot end before its answer begins.
    private static final String THINKING =
            "{\"enable_thinking\":true,\"thinking_token_budget\":8,\"min_tokens\":20";

    /// The markers count as reasoning: a line feed and three tokens that close it.
    private static final int CLOSING = 4;

    private static final Map<String, String> SCHEMAS =
            Map.of(
                    "book",
                    """
                    {"type":"object","properties":{"city":{"type":"string","minLength":1,"maxLength":10},
                    "nights":{"type":"integer","minimum":1,"maximum":30},
                    "rooms":{"type":"array","items":{"enum":["single","double"]},"minItems":1,"maxItems":3}},
                    "required":["city","nights","rooms"],"additionalProperties":false}""",
                    "time",
                    """
                    {"type":"object","properties":{"zone":{"enum":["UTC","CET"]},"exact":{"type":"boolean"}},
                    "required":["zone","exact"],"additionalProperties":false}""");

    /// An answer in the form in which streamed and whole ones are compared.
    private record Answer(
            String reasoning,
            String content,
            List<Call> calls,
            String finishReason,
            int reasoningTokens) {}

    private record Call(String name, StringBuilder arguments) {
        boolean matches() {
            JsonSchema schema =
                    JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012)
                            .getSchema(SCHEMAS.get(name));
            return schema.validate(arguments.toString(), InputFormat.JSON).isEmpty();
        }
    }

    private record Case(String name, String fields, Consumer<Answer> check) {
        ObjectNode body() {
            ObjectNode body =
                    JsonNodes.object()
                            .put("model", ServedCluster.MODEL)
                            .put("max_tokens", 100)
                            .put("seed", 7)
                            .put("temperature", 0.9);
            body.putArray("messages")
                    .addObject()
                    .put("role", "user")
                    .put("content", "Book a room in Oslo for three nights, please.");
            new TreeMap<>(SCHEMAS)
                    .forEach(
                            (function, schema) -> {
                                ObjectNode tool =
                                        body.withArray("tools").addObject().put("type", "function");
                                tool.putObject("function")
                                        .put("name", function)
                                        .put("strict", name.equals("strict"))
                                        .set("parameters", JsonNodes.parse(schema));
                            });
            body.setAll((ObjectNode) JsonNodes.parse(fields));
            return body;
        }
    }

    /// @param marker the id of the token that begins a call
    private static List<Case> cases(int marker) {
        String always = ",\"logit_bias\":{\"" + marker + "\":100}}";
        return List.of(
                new Case(
                        "required",
                        "{\"tool_choice\":\"required\",\"parallel_tool_calls\":false}",
                        ToolCallsIT::isOneCall),
                new Case(
                        "named",
                        "{\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"time\"}}}",
                        answer -> {
                            isOneCall(answer);
                            assertEquals("time", answer.calls().getFirst().name());
                        }),
                new Case(
                        "strict",
                        "{\"parallel_tool_calls\":false" + always,
                        ToolCallsIT::isOneCall),
                // A model that always begins another call ends by length.
                new Case(
                        "parallel",
                        "{\"tool_choice\":\"required\"" + always,
                        answer -> {
                            assertEquals("length", answer.finishReason());
                            assertTrue(answer.calls().size() > 1);
                            for (Call call : answer.calls().subList(0, answer.calls().size() - 1)) {
                                assertTrue(call.matches());
                            }
                        }),
                new Case("auto", "{}", answer -> answer.calls().forEach(Call::matches)),
                new Case(
                        "thinking, then a call",
                        THINKING + ",\"tool_choice\":\"required\",\"parallel_tool_calls\":false}",
                        answer -> {
                            thought(answer);
                            isOneCall(answer);
                        }),
                new Case(
                        "thinking, then text",
                        THINKING + ",\"tool_choice\":\"none\",\"max_tokens\":30}",
                        ToolCallsIT::thoughtAndWrote),
                new Case(
                        "measured thinking, then text",
                        THINKING + ",\"tool_choice\":\"none\",\"max_tokens\":30,\"logprobs\":true}",
                        ToolCallsIT::thoughtAndWrote),
                new Case(
                        "thinking, then an object",
                        THINKING
                                + ",\"tool_choice\":\"none\",\"stop\":[\"\\n\\n\\n\"],\"structured_outputs\":{\"regex\":\"[a-z]{3,9}: [0-9]{4}\"}}",
                        answer -> {
                            thought(answer);
                            assertTrue(answer.content().matches("[a-z]{3,9}: [0-9]{4}"));
                            assertEquals("stop", answer.finishReason());
                        }),
                new Case(
                        "no thinking at all",
                        "{\"enable_thinking\":true,\"thinking_token_budget\":0,\"tool_choice\":\"none\",\"max_tokens\":20}",
                        answer -> {
                            assertEquals("", answer.reasoning());
                            assertEquals(CLOSING, answer.reasoningTokens());
                        }));
    }

    private static void thought(Answer answer) {
        assertFalse(answer.reasoning().isEmpty());
        assertEquals(8 + CLOSING, answer.reasoningTokens());
    }

    private static void thoughtAndWrote(Answer answer) {
        thought(answer);
        assertFalse(answer.content().isEmpty());
        assertFalse(answer.content().contains("think>"));
    }

    private static void isOneCall(Answer answer) {
        assertEquals("tool_calls", answer.finishReason());
        assertEquals("", answer.content());
        assertEquals(1, answer.calls().size());
        assertTrue(answer.calls().getFirst().matches());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void callsMatchTheirSchemas(int ranks) throws Exception {
        Sandbox sandbox = Sandbox.plain();
        Path template = sandbox.folder().resolve("calls.jinja");
        Files.writeString(template, TEMPLATE);
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Fixtures.requireDefaultModel(),
                        "--chat-template=" + template,
                        "--tensor-parallel=" + ranks,
                        "--max-model-len=" + MAX_MODEL_LEN,
                        "--kv-memory=" + KV_BYTES,
                        "--max-num-batched-tokens=48")) {
            List<Case> cases = cases(marker(cluster.api()));
            List<Case> twice = new ArrayList<>(cases);
            twice.addAll(cases);
            List<Answer> whole =
                    Together.map(twice, each -> checked(each, whole(cluster.api(), each)));
            List<Answer> streamed =
                    Together.map(cases, each -> checked(each, streamed(cluster.api(), each)));
            for (int i = 0; i < cases.size(); i++) {
                String name = cases.get(i).name();
                assertEquals(whole.get(i).toString(), whole.get(i + cases.size()).toString(), name);
                assertEquals(whole.get(i).toString(), streamed.get(i).toString(), name);
            }
            assertEquals(
                    whole.get(indexOf(cases, "thinking, then text")).toString(),
                    whole.get(indexOf(cases, "measured thinking, then text")).toString());
            GroupStatus group = cluster.group();
            System.out.printf("%d ranks: %d preemptions%n", ranks, group.getPreemptions());
            assertTrue(group.getPreemptions() > 0, "sequences were preempted");
        }
    }

    private static int indexOf(List<Case> cases, String name) {
        return cases.stream().map(Case::name).toList().indexOf(name);
    }

    private static int marker(Api api) {
        ObjectNode body =
                JsonNodes.object()
                        .put("model", ServedCluster.MODEL)
                        .put("prompt", "<file_sep>")
                        .put("add_special_tokens", false);
        JsonNode tokens = api.post("/tokenize", body).ok().path("tokens");
        assertEquals(1, tokens.size(), tokens::toString);
        return tokens.path(0).asInt();
    }

    private static Answer checked(Case each, Answer answer) {
        try {
            each.check().accept(answer);
        } catch (AssertionError e) {
            throw new AssertionError(each.name() + ": " + answer, e);
        }
        return answer;
    }

    private static Answer whole(Api api, Case each) {
        JsonNode response = api.post(CompletionBodies.CHAT, each.body()).ok();
        JsonNode choice = response.path("choices").path(0);
        List<Call> calls = new ArrayList<>();
        for (JsonNode call : choice.path("message").path("tool_calls")) {
            calls.add(
                    new Call(
                            call.path("function").path("name").asText(),
                            new StringBuilder(call.path("function").path("arguments").asText())));
        }
        return new Answer(
                choice.path("message").path("reasoning_content").asText(""),
                choice.path("message").path("content").asText(""),
                calls,
                choice.path("finish_reason").asText(),
                reasoningTokens(response));
    }

    private static int reasoningTokens(JsonNode response) {
        return response.at("/usage/completion_tokens_details/reasoning_tokens").asInt();
    }

    private static Answer streamed(Api api, Case each) {
        ObjectNode body = each.body().put("stream", true);
        body.putObject("stream_options").put("include_usage", true);
        var content = new StringBuilder();
        var reasoning = new StringBuilder();
        int reasoningTokens = 0;
        List<Call> calls = new ArrayList<>();
        String finishReason = "";
        try (EventReader events = api.stream(CompletionBodies.CHAT, body)) {
            for (Optional<JsonNode> event = events.next();
                    event.isPresent();
                    event = events.next()) {
                JsonNode choice = event.get().path("choices").path(0);
                content.append(choice.path("delta").path("content").asText(""));
                reasoning.append(choice.path("delta").path("reasoning_content").asText(""));
                reasoningTokens = Math.max(reasoningTokens, reasoningTokens(event.get()));
                for (JsonNode call : choice.path("delta").path("tool_calls")) {
                    JsonNode function = call.path("function");
                    if (function.has("name")) {
                        calls.add(new Call(function.path("name").asText(), new StringBuilder()));
                    }
                    calls.get(call.path("index").asInt())
                            .arguments()
                            .append(function.path("arguments").asText());
                }
                finishReason = choice.path("finish_reason").asText(finishReason);
            }
        }
        return new Answer(
                reasoning.toString(),
                content.toString(),
                calls,
                finishReason.equals("null") ? "" : finishReason,
                reasoningTokens);
    }
}
