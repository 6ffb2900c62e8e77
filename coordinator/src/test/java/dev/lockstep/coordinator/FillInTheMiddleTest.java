// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.GenerateRequest;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Tests of `suffix`.
final class FillInTheMiddleTest {
    private static final List<String> NAMES =
            List.of("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|file_sep|>");
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny =
                TestCoordinator.start(
                        TestCoordinator.tinyModel(
                                FillInTheMiddleTest::addTokens, TextSettings.OF_MODEL));
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static void addTokens(Path folder) throws IOException {
        var json = new ObjectMapper();
        Path file = folder.resolve("tokenizer.json");
        var tokenizer = (ObjectNode) json.readTree(file.toFile());
        ArrayNode added = tokenizer.withArray("added_tokens");
        int next = Math.max(highest(added), tokenizer.at("/model/vocab").size());
        for (String name : NAMES) {
            added.addObject()
                    .put("id", next++)
                    .put("content", name)
                    .put("single_word", false)
                    .put("lstrip", false)
                    .put("rstrip", false)
                    .put("normalized", false)
                    .put("special", true);
        }
        json.writeValue(file.toFile(), tokenizer);
        Path config = folder.resolve("config.json");
        var shape = (ObjectNode) json.readTree(config.toFile());
        json.writeValue(config.toFile(), shape.put("vocab_size", next));
    }

    private static int highest(ArrayNode added) {
        int next = 0;
        for (JsonNode token : added) {
            next = Math.max(next, token.get("id").asInt() + 1);
        }
        return next;
    }

    private static int id(String name) {
        return tiny.model.requireTokenizer("suffix").idOf(name).orElseThrow();
    }

    private static HttpResponse<String> post(String fields) throws Exception {
        return tiny.post("/v1/completions", "{\"model\":\"tiny\"," + fields + "}");
    }

    @Test
    void thePromptIsWhatTheModelWasTrainedOn() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("there"));
                    call.oneByOne(0, id("<|file_sep|>"));
                    call.finish(0, true, id("<|file_sep|>"));
                });
        HttpResponse<String> response =
                post(
                        "\"prompt\":\"Hello \",\"suffix\":\" friend<|fim_middle|>\",\"add_special_tokens\":false");
        assertEquals(200, response.statusCode(), response.body());
        GenerateRequest request = tiny.scheduler.nextCall().request();
        List<Integer> expected =
                Stream.of(
                                new int[] {id("<|fim_prefix|>")},
                                plain("Hello "),
                                new int[] {id("<|fim_suffix|>")},
                                plain(" friend<|fim_middle|>"),
                                new int[] {id("<|fim_middle|>")})
                        .flatMapToInt(IntStream::of)
                        .boxed()
                        .toList();
        assertEquals(expected, request.getPromptIdsList());
        assertTrue(request.getStopTokenIdsList().contains(id("<|file_sep|>")));
        JsonNode choice = TestCoordinator.json(response.body()).at("/choices/0");
        assertEquals("there", choice.get("text").asText());
        assertEquals("stop", choice.get("finish_reason").asText());
        assertTrue(choice.get("stop_reason").isNull());
    }

    private static int[] plain(String text) {
        return tiny.model.requireTokenizer("suffix").encode(text, false);
    }

    @Test
    void idsAndAnEchoAreRefused() throws Exception {
        for (String fields : List.of("\"prompt\":[1,2]", "\"prompt\":\"a\",\"echo\":true")) {
            HttpResponse<String> response = post(fields + ",\"suffix\":\"b\"");
            assertEquals(400, response.statusCode());
            assertEquals(
                    "suffix", TestCoordinator.json(response.body()).at("/error/param").asText());
        }
    }
}
