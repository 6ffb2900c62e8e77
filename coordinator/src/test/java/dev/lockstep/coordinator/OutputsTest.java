// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.Pooling;
import dev.lockstep.proto.v1.PositionOutputs;
import dev.lockstep.proto.v1.PromptOutputs;
import dev.lockstep.proto.v1.Token;
import dev.lockstep.proto.v1.TopLogprob;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Tests of embeddings, scores and log-probabilities of prompts over HTTP.
final class OutputsTest {
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    /// Lets the scheduler report the vector (3 · length, 4 · length) for each prompt and the
    /// log-probability -p / 4 for its token at position p, and then generate a text if tokens are
    /// requested.
    private static void compute(String text) {
        tiny.scheduler.behave(
                call -> {
                    PromptOutputs requested = call.request().getOutputs();
                    List<Integer> prompt = call.request().getPromptIdsList();
                    if (requested.getLogprobs()) {
                        // In two events, as for a prompt in chunks.
                        int middle = (requested.getFrom() + prompt.size() - 1) / 2;
                        call.outputs(0, scores(prompt, requested.getFrom(), middle));
                        call.outputs(0, scores(prompt, middle, prompt.size() - 1));
                    }
                    if (requested.getPooling() != Pooling.POOLING_UNSPECIFIED) {
                        call.outputs(
                                0,
                                PositionOutputs.newBuilder()
                                        .setPosition(requested.getFrom())
                                        .setHiddenSize(2)
                                        .addPooled(3 * prompt.size())
                                        .addPooled(4 * prompt.size())
                                        .build());
                    }
                    for (int i = 0; i < call.request().getChoices(); i++) {
                        if (call.request().getMaxTokens() > 0) {
                            call.oneByOne(i, tiny.ids(text));
                        }
                        call.finishByLength(i);
                    }
                });
    }

    private static PositionOutputs scores(List<Integer> prompt, int from, int to) {
        PositionOutputs.Builder outputs = PositionOutputs.newBuilder().setPosition(from);
        for (int p = from + 1; p <= to; p++) {
            outputs.addNextTokens(
                    Token.newBuilder()
                            .setId(prompt.get(p))
                            .setLogprob(-p / 4f)
                            .addTopLogprobs(TopLogprob.newBuilder().setTokenId(7).setLogprob(-1))
                            .addTopLogprobs(TopLogprob.newBuilder().setTokenId(8).setLogprob(-2)));
        }
        return outputs.build();
    }

    private static JsonNode post(String path, String fields) throws Exception {
        HttpResponse<String> response = tiny.post(path, "{\"model\":\"tiny\"," + fields + "}");
        assertEquals(200, response.statusCode(), response.body());
        return TestCoordinator.json(response.body());
    }

    private static String refusal(String path, String fields) throws Exception {
        HttpResponse<String> response = tiny.post(path, "{\"model\":\"tiny\"," + fields + "}");
        assertEquals(400, response.statusCode(), response.body());
        return TestCoordinator.json(response.body()).at("/error/message").asText();
    }

    @Test
    void eachInputGetsAVectorOfLengthOne() throws Exception {
        compute("");
        JsonNode response = post("/v1/embeddings", "\"input\":[\"Hello\",\"there\",\"abc\"]");
        assertEquals("list", response.get("object").asText());
        assertEquals("tiny", response.get("model").asText());
        assertEquals(3, response.get("data").size());
        for (int i = 0; i < 3; i++) {
            JsonNode entry = response.get("data").get(i);
            assertEquals(i, entry.get("index").asInt());
            assertEquals("embedding", entry.get("object").asText());
            assertEquals(0.6, entry.at("/embedding/0").asDouble(), 1e-7);
            assertEquals(0.8, entry.at("/embedding/1").asDouble(), 1e-7);
        }
        int tokens = tiny.ids("Hello").length + tiny.ids("there").length + tiny.ids("abc").length;
        assertEquals(tokens, response.at("/usage/prompt_tokens").asInt());
        assertEquals(tokens, response.at("/usage/total_tokens").asInt());
    }

    @Test
    void poolingUsesTheLastTokenByDefault() throws Exception {
        compute("");
        post("/v1/embeddings", "\"input\":" + Arrays.toString(tiny.ids("Hello")));
        GenerateRequest request = tiny.scheduler.nextCall().request();
        assertEquals(Pooling.POOLING_LAST, request.getOutputs().getPooling());
        assertEquals(tiny.ids("Hello").length - 1, request.getOutputs().getFrom());
        assertEquals(0, request.getMaxTokens());
        assertEquals(1, request.getChoices());
        post("/v1/embeddings", "\"input\":\"Hello\",\"pooling\":\"mean\"");
        request = tiny.scheduler.nextCall().request();
        assertEquals(Pooling.POOLING_MEAN, request.getOutputs().getPooling());
        assertEquals(0, request.getOutputs().getFrom());
    }

    @Test
    void aVectorIsReturnedAsBase64OnRequest() throws Exception {
        compute("");
        JsonNode response =
                post("/v1/embeddings", "\"input\":\"Hello\",\"encoding_format\":\"base64\"");
        ByteBuffer bytes =
                ByteBuffer.wrap(
                                Base64.getDecoder()
                                        .decode(response.at("/data/0/embedding").asText()))
                        .order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(0.6f, bytes.getFloat());
        assertEquals(0.8f, bytes.getFloat());
        assertFalse(bytes.hasRemaining());
    }

    @Test
    void manyInputsAreSentInPortions() throws Exception {
        compute("");
        var inputs = new StringBuilder("[1]");
        inputs.append(",[2,3]".repeat(299));
        JsonNode response = post("/v1/embeddings", "\"input\":[" + inputs + "]");
        assertEquals(300, response.get("data").size());
        assertEquals(599, response.at("/usage/prompt_tokens").asInt());
    }

    @Test
    void aContinuationIsScoredAfterItsPrompt() throws Exception {
        compute("");
        int[] before = tiny.ids("Hello");
        int[] whole = tiny.ids("Hello there");
        JsonNode response = post("/score", "\"prompt\":\"Hello\",\"continuation\":\" there\"");
        double sum = 0;
        assertEquals(whole.length - before.length, response.get("token_logprobs").size());
        for (int i = before.length; i < whole.length; i++) {
            sum -= i / 4.0;
            assertEquals(
                    -i / 4.0, response.get("token_logprobs").get(i - before.length).asDouble());
            assertEquals(whole[i], response.get("tokens").get(i - before.length).asInt());
        }
        assertEquals(sum, response.get("logprob").asDouble(), 1e-6);
        GenerateRequest request = tiny.scheduler.nextCall().request();
        assertEquals(before.length - 1, request.getOutputs().getFrom());
        assertEquals(whole.length, request.getPromptIdsCount());
        post("/score", "\"prompt\":[5,6],\"continuation\":[7]");
        assertEquals(List.of(5, 6, 7), tiny.scheduler.nextCall().request().getPromptIdsList());
    }

    @Test
    void invalidScoresAndEmbeddingsAreRefusedWithTheField() throws Exception {
        assertTrue(
                refusal("/score", "\"prompt\":\"Hello\",\"continuation\":\"\"")
                        .contains("continuation is empty"));
        assertTrue(
                refusal("/score", "\"prompt\":\"\",\"continuation\":\"Hello\"")
                        .contains("prompt has no token"));
        assertTrue(refusal("/score", "\"prompt\":\"Hello\"").contains("continuation is missing"));
        assertTrue(refusal("/v1/embeddings", "\"input\":[]").contains("input is empty"));
        assertTrue(refusal("/v1/embeddings", "\"input\":\"\"").contains("input is empty"));
        assertTrue(
                refusal("/v1/embeddings", "\"input\":\"a\",\"dimensions\":99")
                        .contains("dimensions is 99, it must lie in [1, 64]"));
        assertTrue(
                refusal("/v1/embeddings", "\"input\":\"a\",\"pooling\":\"all\"")
                        .contains("{mean, last, cls, max, weighted_mean, model}"));
        assertTrue(
                refusal("/v1/embeddings", "\"input\":\"a\",\"encoding_format\":\"hex\"")
                        .contains("{float, base64}"));
        assertTrue(refusal("/v1/embeddings", "\"input\":[99999999]").contains("vocabulary"));
        assertTrue(
                refusal("/v1/completions", "\"prompt\":\"a\",\"return_hidden_states\":true")
                        .contains("gRPC"));
        assertTrue(
                refusal("/v1/completions", "\"prompt\":\"a\",\"prompt_logprobs\":21")
                        .contains("[0, 20]"));
        assertTrue(
                refusal(
                                "/v1/completions",
                                "\"prompt\":\"a\",\"prompt_logprobs\":1,\"max_tokens\":0,\"n\":2")
                        .contains("n must be 1"));
        assertTrue(
                refusal("/v1/completions", "\"prompt\":\"a\",\"max_tokens\":0").contains("max_"));
    }

    @Test
    void aModelWithoutAHeadServesEmbeddingsAlone() throws Exception {
        ServedModel model = Models.withoutHead(TestCoordinator.tinyModel());
        try (TestCoordinator other = TestCoordinator.start(model)) {
            for (String[] route :
                    new String[][] {
                        {"/v1/completions", "\"prompt\":\"a\""},
                        {
                            "/v1/chat/completions",
                            "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]"
                        },
                        {
                            "/v1/completions",
                            "\"prompt\":[1],\"max_tokens\":0,\"prompt_logprobs\":0"
                        },
                        {
                            "/v1/completions",
                            "\"prompt\":\"a\",\"max_tokens\":0,\"echo\":true,\"logprobs\":1"
                        },
                        {"/score", "\"prompt\":\"a\",\"continuation\":\"b\""},
                        {"/api/generate", "\"prompt\":\"a\""}
                    }) {
                HttpResponse<String> response =
                        other.post(route[0], "{\"model\":\"tiny\"," + route[1] + "}");
                assertEquals(400, response.statusCode(), route[0] + response.body());
                assertTrue(
                        response.body().contains("without an output head"),
                        route[0] + response.body());
            }
            other.scheduler.behave(
                    call -> {
                        call.outputs(0, PositionOutputs.newBuilder().addPooled(2).build());
                        call.finishByLength(0);
                    });
            HttpResponse<String> response =
                    other.post("/v1/embeddings", "{\"model\":\"tiny\",\"input\":\"a\"}");
            assertEquals(200, response.statusCode(), response.body());
            JsonNode shown =
                    TestCoordinator.json(other.post("/api/show", "{\"model\":\"tiny\"}").body());
            assertEquals("[\"embedding\"]", shown.get("capabilities").toString());
        }
    }

    @Test
    void anEncodersInputIsAsLongAsAStepAtMost() throws Exception {
        ServedModel model = Models.encoder(TestCoordinator.tinyModel());
        try (TestCoordinator other = TestCoordinator.start(model)) {
            String input = "1,".repeat(other.model.contextLength()) + "1";
            HttpResponse<String> response =
                    other.post("/v1/embeddings", "{\"model\":\"tiny\",\"input\":[" + input + "]}");
            assertEquals(400, response.statusCode(), response.body());
            assertTrue(response.body().contains("max-num-batched-tokens 512"), response.body());
        }
    }

    @Test
    void promptTokensHaveLogProbabilities() throws Exception {
        compute(" there");
        String ids = "\"prompt\":[5,6,9]";
        JsonNode response = post("/v1/completions", ids + ",\"prompt_logprobs\":2,\"n\":2");
        for (int choice = 0; choice < 2; choice++) {
            JsonNode entries = response.at("/choices/" + choice + "/prompt_logprobs");
            assertEquals(3, entries.size());
            assertTrue(entries.get(0).isNull());
            assertEquals(-0.25, entries.get(1).at("/6/logprob").asDouble());
            assertEquals(-1, entries.get(1).at("/7/logprob").asDouble());
            assertEquals(1, entries.get(1).at("/7/rank").asInt());
            assertEquals(2, entries.get(2).at("/8/rank").asInt());
            assertEquals(-0.5, entries.get(2).at("/9/logprob").asDouble());
            assertEquals(" there", response.at("/choices/" + choice + "/text").asText());
        }
        JsonNode none = post("/v1/completions", ids + ",\"prompt_logprobs\":0,\"max_tokens\":0");
        assertEquals(3, none.at("/choices/0/prompt_logprobs").size());
        assertEquals("", none.at("/choices/0/text").asText());
        assertEquals(0, none.at("/usage/completion_tokens").asInt());
        JsonNode chat =
                post(
                        "/v1/chat/completions",
                        "\"prompt_logprobs\":1,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]");
        assertEquals(chat.at("/usage/prompt_tokens").asInt(), chat.get("prompt_logprobs").size());
    }

    @Test
    void logProbabilitiesOfAnEchoedPromptPrecedeThoseOfTheText() throws Exception {
        compute(" there");
        int[] prompt = tiny.ids("Hello you");
        int[] text = tiny.ids(" there");
        String fields = "\"prompt\":\"Hello you\",\"echo\":true,\"logprobs\":1";
        JsonNode logprobs = post("/v1/completions", fields).at("/choices/0/logprobs");
        int all = prompt.length + text.length;
        for (String array : List.of("tokens", "token_logprobs", "top_logprobs", "text_offset")) {
            assertEquals(all, logprobs.get(array).size(), array);
        }
        assertTrue(logprobs.at("/token_logprobs/0").isNull());
        assertTrue(logprobs.at("/top_logprobs/0").isNull());
        assertEquals(0, logprobs.at("/text_offset/0").asInt());
        assertEquals(-0.25, logprobs.at("/token_logprobs/1").asDouble());
        assertEquals("Hello you".length(), logprobs.get("text_offset").get(prompt.length).asInt());
        assertEquals(-1 / 8.0, logprobs.get("token_logprobs").get(prompt.length).asDouble());
        var echoed = new StringBuilder();
        logprobs.get("tokens").forEach(token -> echoed.append(token.asText()));
        assertEquals("Hello you there", echoed.toString());

        JsonNode alone = post("/v1/completions", fields + ",\"max_tokens\":0");
        assertEquals("Hello you", alone.at("/choices/0/text").asText());
        assertEquals(prompt.length, alone.at("/choices/0/logprobs/token_logprobs").size());
    }

    @Test
    void theChunksOfAStreamJoinToTheWholeResponse() throws Exception {
        compute(" there");
        String fields = "\"prompt\":[\"Hello you\",\"Hello\"],\"n\":2,\"logprobs\":1";
        for (String more :
                List.of(
                        "\"echo\":true",
                        "\"prompt_logprobs\":2",
                        "\"echo\":true,\"prompt_logprobs\":0")) {
            JsonNode whole = post("/v1/completions", fields + "," + more);
            List<JsonNode> events = stream("/v1/completions", fields + "," + more);
            for (int choice = 0; choice < 4; choice++) {
                assertSame(whole.at("/choices/" + choice), chunks(events, choice), more);
            }
        }
        String chat = "\"prompt_logprobs\":1,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]";
        List<JsonNode> events = stream("/v1/chat/completions", chat);
        assertEquals(
                post("/v1/chat/completions", chat).get("prompt_logprobs"),
                events.getFirst().get("prompt_logprobs"));
        events.subList(1, events.size())
                .forEach(event -> assertFalse(event.has("prompt_logprobs")));
    }

    private static List<JsonNode> stream(String path, String fields) throws Exception {
        return TestCoordinator.events(
                tiny.post(path, "{\"model\":\"tiny\",\"stream\":true," + fields + "}"));
    }

    private static List<JsonNode> chunks(List<JsonNode> events, int choice) {
        return events.stream()
                .map(event -> event.at("/choices/0"))
                .filter(chunk -> chunk.get("index").asInt() == choice)
                .toList();
    }

    private static void assertSame(JsonNode whole, List<JsonNode> chunks, String fields) {
        var text = new StringBuilder();
        chunks.forEach(chunk -> text.append(chunk.get("text").asText()));
        assertEquals(whole.get("text").asText(), text.toString(), fields);
        for (String array : List.of("tokens", "token_logprobs", "top_logprobs", "text_offset")) {
            List<JsonNode> entries = new ArrayList<>();
            chunks.forEach(chunk -> chunk.at("/logprobs/" + array).forEach(entries::add));
            List<JsonNode> all = new ArrayList<>();
            whole.at("/logprobs/" + array).forEach(all::add);
            assertEquals(all, entries, fields + " " + array);
        }
        assertEquals(
                whole.get("prompt_logprobs"), chunks.getFirst().get("prompt_logprobs"), fields);
        assertEquals(whole.get("finish_reason"), chunks.getLast().get("finish_reason"), fields);
    }
}
