// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.proto.v1.GenerateRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Tests of `POST /v1/completions`, the model list and the tokenizer's routes with valid requests.
final class CompletionsTest {
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static void generate(String text) {
        tiny.scheduler.behave(
                call -> {
                    for (int i = 0; i < call.request().getChoices(); i++) {
                        call.oneByOne(i, tiny.ids(text));
                        call.finishByLength(i);
                    }
                });
    }

    private static JsonNode complete(String fields) throws Exception {
        HttpResponse<String> response =
                tiny.post("/v1/completions", "{\"model\":\"tiny\"," + fields + "}");
        assertEquals(200, response.statusCode(), response.body());
        return TestCoordinator.json(response.body());
    }

    private static List<JsonNode> stream(String fields) throws Exception {
        return TestCoordinator.events(
                tiny.post(
                        "/v1/completions", "{\"model\":\"tiny\",\"stream\":true," + fields + "}"));
    }

    private static String text(List<JsonNode> events, int choice) {
        return events.stream()
                .filter(event -> event.at("/choices/0/index").asInt() == choice)
                .map(event -> event.at("/choices/0/text").asText())
                .collect(Collectors.joining());
    }

    private static String ids(String text) {
        return Arrays.toString(tiny.ids(text));
    }

    @Test
    void aTextAndItsTokenIdsAreTheSamePrompt() throws Exception {
        generate(" there");
        JsonNode response = complete("\"prompt\":\"Hello\"");
        assertTrue(response.get("id").asText().startsWith("cmpl-"));
        assertEquals("text_completion", response.get("object").asText());
        assertEquals(" there", response.at("/choices/0/text").asText());
        assertEquals("length", response.at("/choices/0/finish_reason").asText());
        List<Integer> fromText = tiny.scheduler.nextCall().request().getPromptIdsList();
        complete("\"prompt\":" + ids("Hello"));
        GenerateRequest request = tiny.scheduler.nextCall().request();
        assertEquals(fromText, request.getPromptIdsList());
        assertEquals(16, request.getMaxTokens());
    }

    @Test
    void choicesOfSeveralPromptsAreNumberedConsecutively() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    for (int i = 0; i < 2; i++) {
                        String prompt =
                                tiny.model.decode(
                                        call.request().getPromptIdsList().stream()
                                                .mapToInt(Integer::intValue)
                                                .toArray(),
                                        false);
                        call.oneByOne(i, tiny.ids(prompt + i));
                        call.finishByLength(i);
                    }
                });
        String fields = "\"n\":2,\"echo\":true,\"prompt\":[" + ids("a") + "," + ids("b") + "]";
        JsonNode response = complete(fields);
        assertEquals(4, response.get("choices").size());
        List<String> expected = List.of("aa0", "aa1", "bb0", "bb1");
        for (int i = 0; i < 4; i++) {
            assertEquals(i, response.get("choices").get(i).get("index").asInt());
            assertEquals(expected.get(i), response.get("choices").get(i).get("text").asText());
        }
        assertEquals(2, response.at("/usage/prompt_tokens").asInt());
        assertEquals(8, response.at("/usage/completion_tokens").asInt());
        assertEquals(
                6, response.at("/usage/prompt_tokens_details/cached_tokens").asInt(), "3 each");
        List<JsonNode> events = stream(fields);
        for (int i = 0; i < 4; i++) {
            assertEquals(expected.get(i), text(events, i));
        }
        assertEquals(
                2, complete("\"prompt\":[\"a\",\"b\"],\"n\":2").at("/usage/prompt_tokens").asInt());
    }

    @Test
    void anEchoWithoutTokensDoesNotUseTheEngine() throws Exception {
        generate("never");
        JsonNode response = complete("\"prompt\":\"Hello\",\"echo\":true,\"max_tokens\":0");
        assertEquals("Hello", response.at("/choices/0/text").asText());
        assertEquals(0, response.at("/usage/completion_tokens").asInt());
        assertFalse(tiny.scheduler.hasCalls());
    }

    @Test
    void logprobsAreFourArraysOfTheSameLength() throws Exception {
        generate(" there");
        JsonNode logprobs =
                complete("\"prompt\":\"Hello\",\"logprobs\":2").at("/choices/0/logprobs");
        int count = tiny.ids(" there").length;
        var joined = new StringBuilder();
        for (int i = 0; i < count; i++) {
            assertEquals(joined.length(), logprobs.get("text_offset").get(i).asInt());
            assertEquals(-(i + 1) / 8.0, logprobs.get("token_logprobs").get(i).doubleValue());
            String token = logprobs.get("tokens").get(i).asText();
            assertEquals(
                    -(i + 1) / 8.0, logprobs.get("top_logprobs").get(i).get(token).doubleValue());
            assertEquals(2, logprobs.get("top_logprobs").get(i).size());
            joined.append(token);
        }
        assertEquals(" there", joined.toString());
        assertEquals(count, logprobs.get("tokens").size());
        assertEquals(
                1,
                complete("\"prompt\":\"Hello\",\"logprobs\":0")
                        .at("/choices/0/logprobs/top_logprobs/0")
                        .size());
    }

    @Test
    void aStopStringIsRemovedAndTokensAfterItAreNotCounted() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.tokens(0, tiny.ids("one STOP two three"));
                    call.awaitCancelled();
                });
        JsonNode response =
                complete(
                        "\"prompt\":\"a\",\"stop\":[\"STOP\"],\"logprobs\":0,\"return_token_ids\":true");
        JsonNode choice = response.get("choices").get(0);
        assertEquals("one ", choice.get("text").asText());
        assertEquals("stop", choice.get("finish_reason").asText());
        assertEquals("STOP", choice.get("stop_reason").asText());
        int kept = response.at("/usage/completion_tokens").asInt();
        assertEquals(3, response.at("/usage/prompt_tokens_details/cached_tokens").asInt());
        assertEquals(kept, choice.get("token_ids").size());
        assertTrue(kept < tiny.ids("one STOP two three").length);
        assertTrue(choice.at("/logprobs/tokens").size() < kept, "the stop string has logprobs");
        assertTrue(tiny.scheduler.nextCall().awaitCancelled(), "the call was not cancelled");
        assertEquals(
                "one STOP",
                complete("\"prompt\":\"a\",\"stop\":\"STOP\",\"include_stop_str_in_output\":true")
                        .at("/choices/0/text")
                        .asText());
    }

    @Test
    void noPartOfAStopStringIsSentWithOneTokenPerEvent() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("ab ST ab STOP and more"));
                    call.awaitCancelled();
                });
        List<JsonNode> events = stream("\"prompt\":\"a\",\"stop\":[\"nothing\",\"STOP\"]");
        assertEquals("ab ST ab ", text(events, 0));
        assertEquals("STOP", events.getLast().at("/choices/0/stop_reason").asText());
    }

    @Test
    void stopStringsCountOnlyAfterMinTokens() throws Exception {
        generate("xxSTxxSTxx");
        int[] ids = tiny.ids("xxSTxxSTxx");
        JsonNode response =
                complete("\"prompt\":\"a\",\"stop\":\"ST\",\"min_tokens\":" + ids.length);
        assertEquals("xxSTxxSTxx", response.at("/choices/0/text").asText());
    }

    @Test
    void aStopStringAcrossMinTokensIsFound() throws Exception {
        String text = " D E F G H I J";
        int[] ids = tiny.ids(text);
        String upToH = " D E F G H";
        int min = tiny.ids(upToH).length;
        assertEquals(upToH, tiny.model.decode(Arrays.copyOf(ids, min), false));
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, ids);
                    call.finishByLength(0);
                });
        String fields = "\"prompt\":\"a\",\"stop\":\"H I\",\"min_tokens\":" + min;
        JsonNode choice = complete(fields).at("/choices/0");
        assertEquals(" D E F G ", choice.get("text").asText());
        assertEquals("H I", choice.get("stop_reason").asText());
        List<JsonNode> events = stream(fields);
        assertEquals(" D E F G ", text(events, 0));
        assertEquals("stop", events.getLast().at("/choices/0/finish_reason").asText());
        assertEquals(
                " D E F G H I J",
                text(stream(fields.replace("\"H I\"", "\"G H\"")), 0),
                "it ends before");
    }

    @Test
    void anEchoOfIdsShowsTheSpecialTokensAsAnEchoOfTheirText() throws Exception {
        generate("x");
        String text = "<|im_start|>Hi<|im_end|>";
        int[] ids = tiny.model.encode("prompt", text, false);
        for (String more : List.of("", ",\"max_tokens\":0", ",\"skip_special_tokens\":false")) {
            String fields = ",\"echo\":true,\"logprobs\":0" + more;
            JsonNode ofText = complete("\"prompt\":\"" + text + "\"" + fields).at("/choices/0");
            JsonNode ofIds =
                    complete("\"prompt\":" + Arrays.toString(ids) + fields).at("/choices/0");
            assertEquals(ofText, ofIds);
            assertTrue(ofIds.get("text").asText().startsWith(text), ofIds.toString());
            JsonNode offsets = ofIds.at("/logprobs/text_offset");
            assertEquals(0, offsets.get(0).asInt());
            assertEquals("<|im_start|>".length(), offsets.get(1).asInt());
            assertEquals(text.indexOf("<|im_end|>"), offsets.get(ids.length - 1).asInt());
        }
    }

    /// With one special token of the model's before a text, as many tokenizers add it.
    @Test
    void aTokenThatTheTokenizerAddsHasNoPlaceInTheEchoedText() {
        int[] hello = tiny.ids("Hello you");
        int[] ids = new int[hello.length + 1];
        ids[0] = 1;
        System.arraycopy(hello, 0, ids, 1, hello.length);
        int[] offsets = EchoOffsets.of(tiny.model, new PreparedRequest.Echo("Hello you", ids));
        assertEquals(0, offsets[0]);
        assertEquals(0, offsets[1]);
        int last = tiny.model.tokenText(ids[ids.length - 1]).length();
        assertEquals("Hello you".length() - last, offsets[ids.length - 1]);
    }

    @Test
    void offsetsCountCharactersAndNotTheirHalves() throws Exception {
        int[] half = Arrays.copyOf(tiny.ids("é"), 1);
        int[] ids =
                Stream.of(tiny.ids("é"), half, tiny.ids("a🎉"), new int[] {2}, tiny.ids("b"))
                        .flatMapToInt(Arrays::stream)
                        .toArray();
        tiny.scheduler.behave(
                call -> {
                    for (int i = 0; i < call.request().getChoices(); i++) {
                        call.oneByOne(i, ids);
                        call.finishByLength(i);
                    }
                });
        // é is two tokens and 🎉 four.
        assertEquals(10, ids.length);
        List<Integer> skipped = List.of(0, 0, 1, 2, 3, 3, 3, 3, 4, 4);
        List<Integer> shown = List.of(0, 0, 1, 2, 3, 3, 3, 3, 4, 14);
        String prompt = "\"prompt\":" + Arrays.toString(ids) + ",\"ignore_eos\":true,\"n\":2";
        for (boolean skip : new boolean[] {true, false}) {
            String fields = prompt + ",\"logprobs\":1,\"skip_special_tokens\":" + skip;
            String text = skip ? "é\uFFFDa🎉b" : "é\uFFFDa🎉<|im_end|>b";
            JsonNode whole = complete(fields);
            List<JsonNode> events = stream(fields);
            for (int choice = 0; choice < 2; choice++) {
                JsonNode one = whole.at("/choices/" + choice);
                assertEquals(text, one.get("text").asText());
                assertEquals(skip ? skipped : shown, offsets(one));
                assertEquals(text, text(events, choice));
                int index = choice;
                assertEquals(
                        skip ? skipped : shown,
                        events.stream()
                                .map(event -> event.at("/choices/0"))
                                .filter(each -> each.get("index").asInt() == index)
                                .flatMap(each -> offsets(each).stream())
                                .toList());
            }
            // The prompt has the same tokens, and always shows the special one.
            List<Integer> echoed = offsets(complete(fields + ",\"echo\":true").at("/choices/0"));
            assertEquals(shown, echoed.subList(0, ids.length));
            assertEquals(15, echoed.get(ids.length));
        }
    }

    private static List<Integer> offsets(JsonNode choice) {
        List<Integer> offsets = new ArrayList<>();
        choice.at("/logprobs/text_offset").forEach(each -> offsets.add(each.asInt()));
        return offsets;
    }

    @Test
    void halvesOfCharactersAreDifferentTokensInLogprobs() throws Exception {
        int[] ids = tiny.ids("é");
        tiny.scheduler.behave(
                call -> {
                    call.token(0, ids[0], ids[0], ids[1], 40);
                    call.token(0, ids[1], ids[1], ids[0], 40);
                    call.finishByLength(0);
                });
        JsonNode logprobs = complete("\"prompt\":\"a\",\"logprobs\":3").at("/choices/0/logprobs");
        assertEquals("bytes:\\xc3", logprobs.at("/tokens/0").asText());
        assertEquals("bytes:\\xa9", logprobs.at("/tokens/1").asText());
        for (int i = 0; i < 2; i++) {
            JsonNode top = logprobs.get("top_logprobs").get(i);
            assertEquals(3, top.size());
            assertEquals(i == 0 ? -0.5 : -1, top.get("bytes:\\xc3").asDouble());
            assertEquals(i == 0 ? -1 : -0.5, top.get("bytes:\\xa9").asDouble());
        }
        JsonNode content =
                tiny.chat("\"logprobs\":true,\"top_logprobs\":3").at("/choices/0/logprobs/content");
        assertEquals(0xA9, content.at("/0/top_logprobs/1/bytes/0").asInt());
        assertEquals("bytes:\\xa9", content.at("/0/top_logprobs/1/token").asText());
        assertEquals(0xC3, content.at("/0/bytes/0").asInt());
    }

    @Test
    void theModelIsListedWithItsContext() throws Exception {
        JsonNode list = TestCoordinator.json(tiny.get("/v1/models").body());
        assertEquals("list", list.get("object").asText());
        assertEquals("tiny", list.at("/data/0/id").asText());
        assertEquals("model", list.at("/data/0/object").asText());
        assertEquals(512, list.at("/data/0/max_model_len").asInt());
        assertEquals(
                list.get("data").get(0), TestCoordinator.json(tiny.get("/v1/models/tiny").body()));
    }

    @Test
    void aModelMayHaveSeveralNamesOfWhichResponsesHaveTheFirst() throws Exception {
        ServedModel named = Models.named(TestCoordinator.tinyModel(), "tiny", "gpt-4o");
        try (TestCoordinator two = TestCoordinator.start(named)) {
            two.scheduler.behave(
                    call -> {
                        call.oneByOne(0, two.ids("b"));
                        call.finishByLength(0);
                    });
            JsonNode list = TestCoordinator.json(two.get("/v1/models").body()).get("data");
            assertEquals(List.of("tiny", "gpt-4o"), list.findValuesAsText("id"));
            assertEquals(list.get(1), TestCoordinator.json(two.get("/v1/models/gpt-4o").body()));
            for (String name : List.of("tiny", "gpt-4o")) {
                HttpResponse<String> response =
                        two.post(
                                "/v1/completions",
                                "{\"model\":\"%s\",\"prompt\":\"a\",\"max_tokens\":1}"
                                        .formatted(name));
                assertEquals(200, response.statusCode(), response.body());
                assertEquals("tiny", TestCoordinator.json(response.body()).get("model").asText());
            }
            String refused =
                    two.post("/v1/completions", "{\"model\":\"other\",\"prompt\":\"a\"}").body();
            assertTrue(refused.contains("this server serves `tiny`, `gpt-4o`"), refused);
        }
    }

    @Test
    void theContextIsThatOfTheGroupAlsoBeyondTheConfiguredOne() throws Exception {
        try (TestCoordinator own = TestCoordinator.start()) {
            own.scheduler.publish(own.scheduler.status().toBuilder().setMaxModelLen(2048).build());
            Eventually.await(
                    "the group's context is listed",
                    () ->
                            TestCoordinator.json(own.get("/v1/models").body())
                                            .at("/data/0/max_model_len")
                                            .asInt()
                                    == 2048);
        }
    }

    @Test
    void textIsTokenizedAndDetokenized() throws Exception {
        HttpResponse<String> there =
                tiny.post("/tokenize", "{\"model\":\"tiny\",\"prompt\":\"Hello there\"}");
        JsonNode tokens = TestCoordinator.json(there.body());
        assertEquals(tiny.ids("Hello there").length, tokens.get("count").asInt());
        assertEquals(512, tokens.get("max_model_len").asInt());
        HttpResponse<String> back =
                tiny.post(
                        "/detokenize",
                        "{\"model\":\"tiny\",\"tokens\":" + tokens.get("tokens") + "}");
        assertEquals("{\"prompt\":\"Hello there\"}", back.body());
        HttpResponse<String> chat = tiny.post("/tokenize", TestCoordinator.chatBody(""));
        assertEquals(15, TestCoordinator.json(chat.body()).get("count").asInt());
    }
}
