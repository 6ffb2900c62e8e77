// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.SamplingParams;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests of `POST /v1/chat/completions` with valid requests.
final class ChatCompletionsTest {
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    /// Lets every choice generate this text, one token per event, and the end token.
    private static void generate(String text) {
        tiny.scheduler.behave(
                call -> {
                    for (int i = 0; i < call.request().getChoices(); i++) {
                        call.oneByOne(i, tiny.ids(text));
                        call.oneByOne(i, TestCoordinator.END);
                        call.finish(i, true, TestCoordinator.END);
                    }
                });
    }

    private static String content(List<JsonNode> events, int choice) {
        var text = new StringBuilder();
        for (JsonNode event : events) {
            for (JsonNode one : event.get("choices")) {
                if (one.get("index").asInt() == choice) {
                    text.append(one.at("/delta/content").asText());
                }
            }
        }
        return text.toString();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 50_000})
    void theFirstPostOfTheJdkClientUpgradesToHttp2(int padding) throws Exception {
        generate("Hello there.");
        String body = TestCoordinator.chatBody("\"padding\":\"" + "x".repeat(padding) + "\"");
        try (HttpClient fresh = HttpClient.newHttpClient()) {
            HttpResponse<String> response =
                    fresh.send(
                            tiny.request("/v1/chat/completions", body),
                            HttpResponse.BodyHandlers.ofString());
            assertEquals(200, response.statusCode(), response.body());
            assertEquals(HttpClient.Version.HTTP_2, response.version());
            JsonNode choice = TestCoordinator.json(response.body()).at("/choices/0");
            assertEquals("Hello there.", choice.at("/message/content").asText());
        }
    }

    @Test
    void aResponseHasTheFormThatClientsExpect() throws Exception {
        generate("Hello there.");
        JsonNode response = tiny.chat("");
        int count = tiny.ids("Hello there.").length + 1;
        assertTrue(response.get("id").asText().startsWith("chatcmpl-"));
        assertEquals("chat.completion", response.get("object").asText());
        assertEquals("tiny", response.get("model").asText());
        JsonNode choice = response.at("/choices/0");
        assertEquals("assistant", choice.at("/message/role").asText());
        assertEquals("stop", choice.get("finish_reason").asText());
        assertTrue(choice.get("stop_reason").isNull());
        assertTrue(choice.get("logprobs").isNull());
        assertTrue(choice.path("token_ids").isMissingNode());
        assertEquals(count, response.at("/usage/completion_tokens").asInt());
        assertEquals(3, response.at("/usage/prompt_tokens_details/cached_tokens").asInt());
        GenerateRequest request = tiny.scheduler.nextCall().request();
        assertEquals(request.getPromptIdsCount(), response.at("/usage/prompt_tokens").asInt());
        assertEquals(
                request.getPromptIdsCount() + count, response.at("/usage/total_tokens").asInt());
    }

    @Test
    void thePromptIsRenderedAndPartsOfTextAreJoined() throws Exception {
        generate("Yes.");
        HttpResponse<String> response =
                tiny.post(
                        "/v1/chat/completions",
                        """
                        {"model":"tiny","messages":[{"role":"developer","content":"Be kind."},
                        {"role":"user","content":[{"type":"text","text":"Hel"},{"type":"text","text":"lo"}]}]}
                        """);
        assertEquals(200, response.statusCode(), response.body());
        String prompt =
                "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n";
        assertEquals(
                Arrays.stream(tiny.ids(prompt)).boxed().toList(),
                tiny.scheduler.nextCall().request().getPromptIdsList());
    }

    @Test
    void allSamplingFieldsReachTheSchedulerAndOthersHaveDefaults() throws Exception {
        generate("Yes.");
        tiny.chat(
                """
                "temperature":0.5,"top_p":0.9,"top_k":7,"min_p":0.1,"typical_p":0.8,"repetition_penalty":1.1,\
                "frequency_penalty":0.2,"presence_penalty":-0.3,"seed":-5,"max_tokens":9,"max_completion_tokens":8,\
                "min_tokens":2,"stop_token_ids":[9,10],"ignore_eos":true,"logprobs":true,"top_logprobs":3,\
                "logit_bias":{"7":-100,"5":1.5},"allowed_token_ids":[8,5,2],"n":2,"user":"me"\
                """);
        FakeScheduler.Call call = tiny.scheduler.nextCall();
        GenerateRequest request = call.request();
        assertEquals(2, request.getChoices());
        assertEquals(8, request.getMaxTokens());
        assertEquals(2, request.getMinTokens());
        assertEquals(List.of(9, 10), request.getStopTokenIdsList().subList(0, 2));
        SamplingParams sampling = call.sampling();
        assertEquals(0.5f, sampling.getTemperature());
        assertEquals(0.9f, sampling.getTopP());
        assertEquals(7, sampling.getTopK());
        assertEquals(0.1f, sampling.getMinP());
        assertEquals(0.8f, sampling.getTypicalP());
        assertEquals(1.1f, sampling.getRepetitionPenalty());
        assertEquals(0.2f, sampling.getFrequencyPenalty());
        assertEquals(-0.3f, sampling.getPresencePenalty());
        assertEquals(-5, sampling.getSeed());
        assertTrue(sampling.getLogprobs());
        assertEquals(3, sampling.getTopLogprobs());
        assertEquals(5, sampling.getLogitBias(0).getTokenId());
        assertEquals(-100f, sampling.getLogitBias(1).getBias());
        assertEquals(List.of(8, 5, 2), sampling.getAllowedTokenIdsList());

        generate("Yes.");
        tiny.chat("\"top_k\":-1");
        call = tiny.scheduler.nextCall();
        assertEquals(512 - 15, call.request().getMaxTokens());
        SamplingParams plain = call.sampling();
        assertEquals(1f, plain.getTemperature());
        assertEquals(1f, plain.getTopP());
        assertEquals(0, plain.getTopK());
        assertEquals(1f, plain.getTypicalP());
        assertNotEquals(0, plain.getSeed());
    }

    @Test
    void aWholeNumberMayBeWrittenWithAPoint() throws Exception {
        generate("Yes.");
        tiny.chat(
                """
                "top_k":7.0,"seed":-5.0,"max_tokens":9.0,"max_completion_tokens":8e0,"min_tokens":2.0,\
                "stop_token_ids":[9.0,10.0],"logprobs":true,"top_logprobs":3.0,"prompt_logprobs":1.0,"n":2.0,\
                "priority":3.0,"deadline_ms":1.0e5,"cache_priority":2.0,"cache_ttl_ms":5.0\
                """);
        FakeScheduler.Call call = tiny.scheduler.nextCall();
        GenerateRequest request = call.request();
        assertEquals(2, request.getChoices());
        assertEquals(8, request.getMaxTokens());
        assertEquals(2, request.getMinTokens());
        assertEquals(List.of(9, 10), request.getStopTokenIdsList().subList(0, 2));
        assertEquals(1, request.getOutputs().getTopLogprobs());
        assertEquals(3, request.getPriority());
        assertEquals(7, call.sampling().getTopK());
        assertEquals(-5, call.sampling().getSeed());
        assertEquals(3, call.sampling().getTopLogprobs());

        HttpResponse<String> ids =
                tiny.post(
                        "/v1/completions",
                        "{\"model\":\"tiny\",\"prompt\":[7.0,8],\"logprobs\":2.0}");
        assertEquals(200, ids.statusCode(), ids.body());
        assertEquals(List.of(7, 8), tiny.scheduler.nextCall().request().getPromptIdsList());
        HttpResponse<String> text =
                tiny.post("/detokenize", "{\"model\":\"tiny\",\"tokens\":[7.0,8e0]}");
        assertEquals(200, text.statusCode(), text.body());
    }

    @Test
    void topPOfZeroIsGreedy() throws Exception {
        generate("Yes.");
        tiny.chat("\"top_p\":0,\"temperature\":0.7");
        FakeScheduler.Call call = tiny.scheduler.nextCall();
        assertEquals(0f, call.sampling().getTemperature());
        assertEquals(1f, call.sampling().getTopP());
    }

    @Test
    void aStreamBeginsWithTheRoleAndEndsWithTheFinishReasonAndTheUsage() throws Exception {
        generate("Hello there.");
        List<JsonNode> events = tiny.chatEvents("\"stream_options\":{\"include_usage\":true}");
        assertEquals("assistant", events.getFirst().at("/choices/0/delta/role").asText());
        assertEquals("", events.getFirst().at("/choices/0/delta/content").asText());
        for (JsonNode event : events) {
            assertEquals(events.getFirst().get("id"), event.get("id"));
            assertEquals(events.getFirst().get("created"), event.get("created"));
            assertEquals("chat.completion.chunk", event.get("object").asText());
        }
        assertEquals("Hello there.", content(events, 0));
        JsonNode last = events.get(events.size() - 2);
        assertEquals("stop", last.at("/choices/0/finish_reason").asText());
        assertEquals(0, last.at("/choices/0/delta").size());
        assertTrue(last.get("usage").isNull());
        assertEquals(0, events.getLast().get("choices").size());
        assertEquals(
                tiny.ids("Hello there.").length + 1,
                events.getLast().at("/usage/completion_tokens").asInt());
        assertEquals(3, events.getLast().at("/usage/prompt_tokens_details/cached_tokens").asInt());
    }

    @Test
    void everyChunkHasTheUsageIfRequested() throws Exception {
        generate("Hello there.");
        List<JsonNode> events =
                tiny.chatEvents("\"stream_options\":{\"continuous_usage_stats\":true}");
        int before = -1;
        for (JsonNode event : events) {
            int now = event.at("/usage/completion_tokens").asInt(-1);
            assertTrue(now >= before, "the count decreased");
            before = now;
            assertEquals(15, event.at("/usage/prompt_tokens").asInt());
            assertEquals(3, event.at("/usage/prompt_tokens_details/cached_tokens").asInt());
        }
        assertEquals(tiny.ids("Hello there.").length + 1, before);
    }

    @Test
    void choicesAreStreamedConcurrentlyAndCountedTogether() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    int[] first = tiny.ids("one");
                    int[] second = tiny.ids("two two");
                    call.oneByOne(1, second);
                    call.finishByLength(1);
                    call.oneByOne(0, first);
                    call.finishByLength(0);
                });
        List<JsonNode> events =
                tiny.chatEvents("\"n\":2,\"stream_options\":{\"include_usage\":true}");
        assertEquals("assistant", events.get(0).at("/choices/0/delta/role").asText());
        assertEquals("assistant", events.get(1).at("/choices/0/delta/role").asText());
        assertEquals("one", content(events, 0));
        assertEquals("two two", content(events, 1));
        assertEquals(
                tiny.ids("one").length + tiny.ids("two two").length,
                events.getLast().at("/usage/completion_tokens").asInt());
        assertEquals(
                3,
                events.getLast().at("/usage/prompt_tokens_details/cached_tokens").asInt(),
                "of the first choice");
        long reasons =
                events.stream()
                        .filter(
                                event ->
                                        event.at("/choices/0/finish_reason")
                                                .asText()
                                                .equals("length"))
                        .count();
        assertEquals(2, reasons);
    }

    @Test
    void logprobsHaveTokenBytesAndAlternatives() throws Exception {
        generate("Hi é");
        JsonNode choice = tiny.chat("\"logprobs\":true,\"top_logprobs\":2").at("/choices/0");
        JsonNode content = choice.at("/logprobs/content");
        assertTrue(choice.get("logprobs").has("refusal"), "OpenAI's schema requires it");
        assertEquals(tiny.ids("Hi é").length + 1, content.size());
        assertEquals(-0.125, content.get(0).get("logprob").doubleValue());
        assertEquals(2, content.get(0).get("top_logprobs").size());
        assertEquals(-9999, content.at("/0/top_logprobs/1/logprob").doubleValue());
        List<Byte> bytes = new ArrayList<>();
        for (int i = 0; i + 1 < content.size(); i++) {
            content.get(i).get("bytes").forEach(each -> bytes.add((byte) each.asInt()));
        }
        byte[] all = new byte[bytes.size()];
        for (int i = 0; i < all.length; i++) {
            all[i] = bytes.get(i);
        }
        assertEquals("Hi é", new String(all, StandardCharsets.UTF_8));
    }

    @Test
    void tokenIdsAreReturnedWholeAndInChunks() throws Exception {
        generate("Hello there.");
        List<Integer> expected =
                new ArrayList<>(Arrays.stream(tiny.ids("Hello there.")).boxed().toList());
        expected.add(TestCoordinator.END);
        List<Integer> whole = new ArrayList<>();
        tiny.chat("\"return_token_ids\":true")
                .at("/choices/0/token_ids")
                .forEach(id -> whole.add(id.asInt()));
        assertEquals(expected, whole);
        List<Integer> streamed = new ArrayList<>();
        for (JsonNode event : tiny.chatEvents("\"return_token_ids\":true")) {
            event.at("/choices/0/token_ids").forEach(id -> streamed.add(id.asInt()));
        }
        assertEquals(expected, streamed);
    }

    @Test
    void aCharacterIsNeverSplitBetweenEvents() throws Exception {
        generate("né 語 🎉 end");
        List<JsonNode> events = tiny.chatEvents("");
        assertEquals("né 語 🎉 end", content(events, 0));
        for (JsonNode event : events) {
            String piece = event.at("/choices/0/delta/content").asText();
            assertTrue(!piece.contains("\uFFFD"), piece);
        }
    }

    @Test
    void anIgnoredEndTokenDoesNotEndTheChoice() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("on"));
                    call.oneByOne(0, TestCoordinator.END);
                    call.oneByOne(0, tiny.ids(" and on"));
                    call.finishByLength(0);
                });
        JsonNode response = tiny.chat("\"ignore_eos\":true");
        assertEquals("on and on", response.at("/choices/0/message/content").asText());
        JsonNode shown = tiny.chat("\"ignore_eos\":true,\"skip_special_tokens\":false");
        assertEquals("on<|im_end|> and on", shown.at("/choices/0/message/content").asText());
    }

    @Test
    void theSchedulerReceivesTheEndTokensOfTheModelUnlessTheyAreIgnored() throws Exception {
        generate("Yes.");
        tiny.chat("\"stop_token_ids\":[9],\"min_tokens\":3");
        assertEquals(
                List.of(9, TestCoordinator.END, 0),
                tiny.scheduler.nextCall().request().getStopTokenIdsList());
        tiny.chat("\"ignore_eos\":true");
        assertEquals(List.of(), tiny.scheduler.nextCall().request().getStopTokenIdsList());
    }

    @Test
    void aStopIdEndsTheTextBeforeItsTokenAndIsTheStopReason() throws Exception {
        int[] ids = tiny.ids("Hello x");
        int last = ids[ids.length - 1];
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, ids);
                    call.finish(0, true, last);
                });
        JsonNode choice = tiny.chat("\"stop_token_ids\":[" + last + "]").at("/choices/0");
        assertTrue("Hello x".startsWith(choice.at("/message/content").asText()));
        assertNotEquals("Hello x", choice.at("/message/content").asText());
        assertEquals(last, choice.get("stop_reason").asInt());
        JsonNode included =
                tiny.chat("\"include_stop_str_in_output\":true,\"stop_token_ids\":[" + last + "]");
        assertEquals("Hello x", included.at("/choices/0/message/content").asText());
    }

    @Test
    void requestIdsAreReturnedOrGeneratedAndTheSchedulerReceivesTheResponseId() throws Exception {
        generate("Yes.");
        HttpRequest request =
                HttpRequest.newBuilder(tiny.uri("/v1/chat/completions"))
                        .header("X-Request-Id", "my-id")
                        .POST(HttpRequest.BodyPublishers.ofString(TestCoordinator.chatBody("")))
                        .build();
        HttpResponse<String> response = tiny.send(request);
        assertEquals("my-id", response.headers().firstValue("x-request-id").orElse(""));
        assertEquals(
                TestCoordinator.json(response.body()).get("id").asText(),
                tiny.scheduler.nextCall().request().getRequestId());
        HttpResponse<String> other =
                tiny.post("/v1/chat/completions", TestCoordinator.chatBody(""));
        assertFalse(other.headers().firstValue("x-request-id").orElse("").isEmpty());
    }
}
