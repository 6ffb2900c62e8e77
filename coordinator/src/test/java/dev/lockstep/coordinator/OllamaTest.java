// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.PositionOutputs;
import dev.lockstep.text.ModelTemplate;
import io.grpc.Status;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests of Ollama's API.
final class OllamaTest {
    private static final String HELLO = "'messages':[{'role':'user','content':'Hello'}]";
    private static final String RENDERED =
            "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n";
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static HttpResponse<String> post(String path, String fields) throws Exception {
        return tiny.post(path, ("{'model':'tiny:latest'," + fields + "}").replace('\'', '"'));
    }

    private static JsonNode whole(String path, String fields) throws Exception {
        HttpResponse<String> response = post(path, "'stream':false," + fields);
        assertEquals(200, response.statusCode(), response.body());
        return TestCoordinator.json(response.body());
    }

    /// Returns the lines of a stream, which is the default.
    private static List<JsonNode> stream(String path, String fields) throws Exception {
        HttpResponse<String> response = post(path, fields);
        assertEquals(200, response.statusCode(), response.body());
        assertEquals(
                "application/x-ndjson", response.headers().firstValue("content-type").orElse(""));
        assertTrue(response.body().endsWith("}\n"));
        return response.body().lines().map(TestCoordinator::json).toList();
    }

    private static void generate(String text, boolean stops) {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids(text));
                    if (stops) {
                        call.tokens(0, TestCoordinator.END);
                        call.finish(0, true, TestCoordinator.END);
                    } else {
                        call.finishByLength(0);
                    }
                });
    }

    private static void assertPrompt(String text) throws Exception {
        assertEquals(
                Arrays.stream(tiny.ids(text)).boxed().toList(),
                tiny.scheduler.nextCall().request().getPromptIdsList());
    }

    private static String joined(List<JsonNode> lines, String at) {
        var text = new StringBuilder();
        lines.forEach(line -> text.append(line.at(at).asText()));
        return text.toString();
    }

    @Test
    void aChatHasTheFormThatClientsExpect() throws Exception {
        generate("Hello there.", true);
        JsonNode answer = whole("/api/chat", HELLO);
        assertEquals("tiny:latest", answer.get("model").asText());
        assertTrue(answer.get("created_at").asText().endsWith("Z"));
        assertEquals(
                "{\"role\":\"assistant\",\"content\":\"Hello there.\"}",
                answer.get("message").toString());
        assertTrue(answer.get("done").asBoolean());
        assertEquals("stop", answer.get("done_reason").asText());
        assertEquals(tiny.ids(RENDERED).length, answer.get("prompt_eval_count").asInt());
        assertEquals(tiny.ids("Hello there.").length + 1, answer.get("eval_count").asInt());
        assertEquals(
                answer.get("total_duration").asLong(),
                answer.get("prompt_eval_duration").asLong() + answer.get("eval_duration").asLong());
        assertEquals(0, answer.get("load_duration").asInt());
        assertPrompt(RENDERED);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "true | `` | stop",
                "false | `` | length",
                "true | ,'options':{'stop':['re.']} | stop",
            })
    void aStreamIsTheAnswerInLines(boolean stops, String fields, String reason) throws Exception {
        generate("Hello there.", stops);
        JsonNode whole = whole("/api/chat", HELLO + fields);
        assertEquals(reason, whole.get("done_reason").asText());
        List<JsonNode> lines = stream("/api/chat", HELLO + fields);
        assertTrue(lines.size() > 2);
        lines.subList(0, lines.size() - 1)
                .forEach(
                        line -> {
                            assertFalse(line.get("done").asBoolean());
                            assertEquals("assistant", line.at("/message/role").asText());
                            assertFalse(line.has("eval_count"));
                        });
        JsonNode last = lines.getLast();
        assertTrue(last.get("done").asBoolean());
        assertEquals("", last.at("/message/content").asText());
        assertEquals(reason, last.get("done_reason").asText());
        assertEquals(whole.get("eval_count"), last.get("eval_count"));
        assertEquals(whole.at("/message/content").asText(), joined(lines, "/message/content"));
    }

    @Test
    void aPromptIsAMessageOrRaw() throws Exception {
        generate("Hello there.", true);
        JsonNode answer = whole("/api/generate", "'prompt':'Hello'");
        assertEquals("Hello there.", answer.get("response").asText());
        assertFalse(answer.has("message"));
        assertPrompt(RENDERED);
        assertEquals(
                "Hello there.", joined(stream("/api/generate", "'prompt':'Hello'"), "/response"));
        tiny.scheduler.nextCall();

        whole("/api/generate", "'prompt':'Hello','raw':true");
        FakeScheduler.Call call = tiny.scheduler.nextCall();
        int[] ids = tiny.model.encode("prompt", "Hello", true);
        assertEquals(Arrays.stream(ids).boxed().toList(), call.request().getPromptIdsList());
        assertEquals(512 - ids.length, call.request().getMaxTokens());
    }

    @Test
    void aModelWithoutATemplateGetsThePromptAsItIs() throws Exception {
        ServedModel plain =
                Models.templated(TestCoordinator.tinyModel(), new ModelTemplate.Missing());
        try (TestCoordinator other = TestCoordinator.start(plain)) {
            other.scheduler.behave(call -> call.finishByLength(0));
            HttpResponse<String> response =
                    other.post("/api/generate", "{\"model\":\"tiny\",\"prompt\":\"Hello\"}");
            assertEquals(200, response.statusCode(), response.body());
            assertEquals(
                    Arrays.stream(plain.encode("prompt", "Hello", true)).boxed().toList(),
                    other.scheduler.nextCall().request().getPromptIdsList());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "/api/chat | 'messages':[]",
                "/api/chat | 'keep_alive':-1",
                "/api/generate | 'keep_alive':'5m'",
            })
    void aRequestWithoutAPromptFindsTheModelLoaded(String path, String fields) throws Exception {
        JsonNode answer = whole(path, fields);
        assertEquals("load", answer.get("done_reason").asText());
        assertTrue(answer.get("done").asBoolean());
    }

    @Test
    void inputsHaveVectors() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.outputs(
                            0, PositionOutputs.newBuilder().addAllPooled(List.of(3f, 4f)).build());
                    call.finishByLength(0);
                });
        JsonNode answer = whole("/api/embed", "'input':['Hello','there']");
        assertEquals("[[0.6,0.8],[0.6,0.8]]", answer.get("embeddings").toString());
        assertTrue(answer.get("prompt_eval_count").asInt() > 1);
        assertEquals(
                "[[0.6,0.8]]", whole("/api/embed", "'input':'Hello'").get("embeddings").toString());
        assertEquals(
                "{\"embedding\":[0.6,0.8]}",
                whole("/api/embeddings", "'prompt':'Hello'").toString());
        assertEquals(
                "[[1.0]]",
                whole("/api/embed", "'input':'Hello','dimensions':1").get("embeddings").toString());
        assertEquals(
                "[[0.6,0.8]]",
                whole("/api/embed", "'input':'Hello','dimensions':0").get("embeddings").toString());
        assertEquals(400, post("/api/embed", "'input':'Hello','dimensions':-1").statusCode());
        String tooLong = "'input':'" + "x y ".repeat(600) + "'";
        assertEquals(512, whole("/api/embed", tooLong).get("prompt_eval_count").asInt());
        assertEquals(400, post("/api/embed", tooLong + ",'truncate':false").statusCode());
        assertEquals(400, post("/api/embed", "'input':[]").statusCode());
    }

    @Test
    void theModelIsListedAndShown() throws Exception {
        JsonNode listed = TestCoordinator.json(tiny.get("/api/tags").body()).at("/models/0");
        assertEquals("tiny:latest", listed.get("name").asText());
        assertEquals("tiny:latest", listed.get("model").asText());
        assertTrue(listed.get("size").asLong() > 0);
        assertTrue(listed.get("digest").asText().matches("[0-9a-f]{64}"));
        assertTrue(listed.get("modified_at").asText().endsWith("Z"));
        ObjectNode details = (ObjectNode) listed.get("details");
        assertEquals("safetensors", details.get("format").asText());
        assertEquals("LlamaForCausalLM", details.get("family").asText());
        assertTrue(details.get("parameter_size").asText().endsWith("M"));
        JsonNode running = TestCoordinator.json(tiny.get("/api/ps").body()).at("/models/0");
        assertEquals("tiny:latest", running.get("name").asText());
        assertEquals(512, running.get("context_length").asInt());
        JsonNode shown = whole("/api/show", "'verbose':false");
        assertTrue(shown.get("template").asText().contains("im_start"));
        assertEquals(details, shown.get("details"));
        assertEquals(512, shown.get("model_info").get("LlamaForCausalLM.context_length").asInt());
        assertEquals("completion", shown.at("/capabilities/0").asText());
        assertTrue(shown.get("model_info").get("LlamaForCausalLM.embedding_length").asInt() > 0);
        assertEquals("FROM tiny:latest\n", shown.get("modelfile").asText());
        assertTrue(shown.get("parameters").asText().startsWith("temperature 1.0\n"));
        assertTrue(
                TestCoordinator.json(tiny.get("/api/version").body()).get("version").isTextual());
    }

    @ParameterizedTest
    @ValueSource(strings = {"/api/chat", "/api/generate", "/api/embed", "/api/show"})
    void anotherModelIsNotFound(String path) throws Exception {
        HttpResponse<String> response =
                tiny.post(path, "{\"model\":\"other:latest\",\"prompt\":\"x\",\"input\":\"x\"}");
        assertEquals(404, response.statusCode());
        assertEquals(
                "The model `other` does not exist; this server serves `tiny`",
                TestCoordinator.json(response.body()).get("error").asText());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'options':{'temperature':9} | options.temperature is \"9\", it must lie in [0, 2]",
                "'options':{'repeat_penalty':0} | options.repeat_penalty is \"0\"",
                "'template':'x' | template is not served",
            })
    void anErrorHasTheNameThatTheClientKnows(String fields, String message) throws Exception {
        HttpResponse<String> response = post("/api/generate", "'prompt':'Hello'," + fields);
        assertEquals(400, response.statusCode(), response.body());
        String error = TestCoordinator.json(response.body()).get("error").asText();
        assertTrue(error.startsWith(message.replace("\"", "")), error);
    }

    @Test
    void aFailureIsAnErrorOrALine() throws Exception {
        tiny.scheduler.behave(call -> call.fail(Status.RESOURCE_EXHAUSTED));
        HttpResponse<String> busy = post("/api/chat", HELLO);
        assertEquals(429, busy.statusCode());
        assertTrue(TestCoordinator.json(busy.body()).get("error").isTextual());
        tiny.scheduler.behave(
                call -> {
                    call.tokens(0, tiny.ids("Hello"));
                    call.fail(Status.INTERNAL);
                });
        JsonNode last = stream("/api/chat", HELLO).getLast();
        assertTrue(last.get("error").isTextual());
        assertEquals(1, last.size());
    }

    @ParameterizedTest
    @CsvSource({"/api/chat, ", "/api/generate, ", "/api/generate, true"})
    void logProbabilitiesAreTheSameInAStreamAndWhole(String path, String raw) throws Exception {
        generate("Hello there.", true);
        String fields =
                (path.endsWith("chat") ? HELLO : "'prompt':'Hello'")
                        + (raw == null ? "" : ",'raw':true")
                        + ",'logprobs':true,'top_logprobs':2";
        JsonNode whole = whole(path, fields).get("logprobs");
        // With the end token, as in a chat.
        assertEquals(tiny.ids("Hello there.").length + 1, whole.size());
        assertEquals(2, whole.at("/0/top_logprobs").size());
        assertTrue(whole.at("/0/logprob").isNumber());
        assertTrue(whole.at("/0/bytes").isArray());
        ArrayNode streamed = Json.array();
        List<JsonNode> lines = stream(path, fields);
        lines.forEach(line -> line.path("logprobs").forEach(streamed::add));
        assertEquals(whole, streamed);
        assertTrue(lines.getFirst().has("logprobs"));
        assertFalse(whole(path, fields.replace("true,'top_logprobs':2", "false")).has("logprobs"));
    }

    @Test
    void theServerAnswersAtItsRoot() throws Exception {
        HttpResponse<String> greeting = tiny.get("/");
        assertEquals(200, greeting.statusCode());
        assertEquals("Lockstep is running\n", greeting.body());
        HttpResponse<String> head =
                tiny.send(
                        HttpRequest.newBuilder(tiny.uri("/"))
                                .method("HEAD", HttpRequest.BodyPublishers.noBody())
                                .build());
        assertEquals(200, head.statusCode());
    }

    @Test
    void anUnknownRouteIsAnErrorInTheSameForm() throws Exception {
        HttpResponse<String> unknown = post("/api/pull", "'stream':false");
        assertEquals(404, unknown.statusCode());
        assertTrue(TestCoordinator.json(unknown.body()).get("error").isTextual(), unknown.body());
    }
}
