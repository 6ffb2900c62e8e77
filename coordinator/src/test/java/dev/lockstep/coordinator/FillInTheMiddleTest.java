// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.text.EncodeOptions;
import dev.lockstep.text.Tokenizer;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Tests of `suffix` and of `/infill`.
final class FillInTheMiddleTest {
    private static final List<String> NAMES =
            List.of(
                    "<|fim_prefix|>",
                    "<|fim_suffix|>",
                    "<|fim_middle|>",
                    "<|file_sep|>",
                    "<|repo_name|>");
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny =
                TestCoordinator.start(
                        TestCoordinator.tinyModel(
                                folder -> addTokens(folder, NAMES), TextSettings.OF_MODEL));
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static void addTokens(Path folder, List<String> names) throws IOException {
        var json = new ObjectMapper();
        Path file = folder.resolve("tokenizer.json");
        var tokenizer = (ObjectNode) json.readTree(file.toFile());
        ArrayNode added = tokenizer.withArray("added_tokens");
        int next = Math.max(highest(added), tokenizer.at("/model/vocab").size());
        for (String name : names) {
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

    private static void answer(String text) {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids(text));
                    call.oneByOne(0, id("<|file_sep|>"));
                    call.finish(0, true, id("<|file_sep|>"));
                });
    }

    private static JsonNode infill(String fields) throws Exception {
        HttpResponse<String> response = tiny.post("/infill", fields.replace('\'', '"'));
        assertEquals(200, response.statusCode(), response.body());
        return TestCoordinator.json(response.body());
    }

    @Test
    void infillPutsOtherFilesFirst() throws Exception {
        answer("there\nyou");
        JsonNode whole =
                infill(
                        "{'input_prefix':'Hel','prompt':'lo ','input_suffix':'','n_predict':9,"
                                + "'samplers':['top_k','infill'],'t_max_predict_ms':500,'cache_prompt':true,"
                                + "'input_extra':[{'filename':'a','text':'b'},{'text':'c'}]}");
        GenerateRequest request = tiny.scheduler.nextCall().request();
        List<Integer> expected =
                Stream.of(
                                tiny.model
                                        .requireTokenizer("")
                                        .encode("", new EncodeOptions(false, true)),
                                new int[] {id("<|repo_name|>")},
                                plain("project\n"),
                                new int[] {id("<|file_sep|>")},
                                plain("a\n"),
                                plain("b"),
                                new int[] {id("<|file_sep|>")},
                                plain("file\n"),
                                plain("c"),
                                new int[] {id("<|file_sep|>")},
                                plain("file\n"),
                                new int[] {id("<|fim_prefix|>")},
                                plain("Hello "),
                                new int[] {id("<|fim_suffix|>"), id("<|fim_middle|>")})
                        .flatMapToInt(IntStream::of)
                        .boxed()
                        .toList();
        assertEquals(expected, request.getPromptIdsList());
        assertEquals(9, request.getMaxTokens());
        assertEquals("there\nyou", whole.get("content").asText());
        assertEquals("eos", whole.get("stop_type").asText());
        assertTrue(whole.get("stop").asBoolean());
        assertTrue(whole.get("has_new_line").asBoolean());
        assertEquals("tiny", whole.get("model").asText());
        assertEquals(expected.size(), whole.get("tokens_evaluated").asInt());
        assertEquals(tiny.ids("there\nyou").length + 1, whole.get("tokens_predicted").asInt());
        assertEquals(
                expected.size(),
                whole.at("/timings/prompt_n").asInt() + whole.get("tokens_cached").asInt());
    }

    @Test
    void infillStreamsEventsOfWhichTheLastSaysThatItIs() throws Exception {
        answer("there");
        HttpResponse<String> response =
                tiny.post(
                        "/infill",
                        "{\"input_prefix\":\"a\",\"input_suffix\":\"b\",\"stream\":true,"
                                + "\"response_fields\":[\"content\",\"stop\",\"timings/predicted_n\",\"x\"]}");
        List<JsonNode> events = new ArrayList<>();
        for (String event : response.body().lines().filter(line -> !line.isEmpty()).toList()) {
            assertTrue(event.startsWith("data: {"), event);
            events.add(TestCoordinator.json(event.substring("data: ".length())));
        }
        var text = new StringBuilder();
        events.forEach(event -> text.append(event.get("content").asText()));
        assertEquals("there", text.toString());
        assertFalse(events.getFirst().get("stop").asBoolean());
        assertEquals(
                "{\"content\":\"\",\"stop\":true,\"timings/predicted_n\":%d}"
                        .formatted(tiny.ids("there").length + 1),
                events.getLast().toString());
    }

    @Test
    void infillWithoutOutputFillsTheCacheOnly() throws Exception {
        answer("there");
        JsonNode nothing = infill("{'input_prefix':'a','input_suffix':'b','n_predict':0}");
        assertEquals("", nothing.get("content").asText());
        assertEquals(0, nothing.get("tokens_predicted").asInt());
        assertEquals(1, tiny.scheduler.nextCall().request().getMaxTokens());
    }

    @Test
    void otherFilesAreLeftOutWhereThereIsNoRoom() throws Exception {
        answer("there");
        String text = "many words of another file ".repeat(100);
        infill(
                "{'input_prefix':'Hello','input_suffix':'b','n_predict':5,'input_extra':[{'text':'%s'}]}"
                        .formatted(text));
        List<Integer> sent = tiny.scheduler.nextCall().request().getPromptIdsList();
        int begin = sent.indexOf(id("<|fim_prefix|>"));
        assertTrue(begin > 2, sent.toString());
        assertEquals(
                Arrays.stream(plain("Hello")).boxed().toList(),
                sent.subList(begin + 1, sent.indexOf(id("<|fim_suffix|>"))));
    }

    /// As Codestral was trained.
    @Test
    void aModelWithoutAMiddleTokenReadsTheSuffixFirst() throws Exception {
        try (TestCoordinator codestral =
                TestCoordinator.start(
                        TestCoordinator.tinyModel(
                                folder ->
                                        addTokens(
                                                folder,
                                                List.of("[PREFIX]", "[SUFFIX]", "[MIDDLE]")),
                                TextSettings.OF_MODEL))) {
            codestral.scheduler.behave(call -> call.finishByLength(0));
            String body =
                    "{\"model\":\"tiny\",\"prompt\":\"Hello \",\"suffix\":\" friend\",\"add_special_tokens\":false}";
            assertEquals(200, codestral.post("/v1/completions", body).statusCode());
            Tokenizer tokenizer = codestral.model.requireTokenizer("");
            List<Integer> expected =
                    Stream.of(
                                    new int[] {tokenizer.idOf("[SUFFIX]").orElseThrow()},
                                    plain(" friend"),
                                    new int[] {tokenizer.idOf("[PREFIX]").orElseThrow()},
                                    plain("Hello "))
                            .flatMapToInt(IntStream::of)
                            .boxed()
                            .toList();
            assertEquals(expected, codestral.scheduler.nextCall().request().getPromptIdsList());
        }
    }

    @Test
    void infillNamesWhatIsWrong() throws Exception {
        for (String fields :
                List.of(
                        "input_suffix:'input_prefix':'a'",
                        "input_prefix:'input_suffix':'a'",
                        "input_extra[0].text:'input_prefix':'a','input_suffix':'b','input_extra':[{}]",
                        "n_predict:'input_prefix':'a','input_suffix':'b','n_predict':-2")) {
            String[] parts = fields.split(":", 2);
            HttpResponse<String> response =
                    tiny.post("/infill", "{" + parts[1].replace('\'', '"') + "}");
            assertEquals(400, response.statusCode());
            assertEquals(
                    parts[0], TestCoordinator.json(response.body()).at("/error/param").asText());
        }
        try (TestCoordinator other = TestCoordinator.start()) {
            HttpResponse<String> response =
                    other.post("/infill", "{\"input_prefix\":\"a\",\"input_suffix\":\"b\"}");
            assertEquals(400, response.statusCode());
            assertEquals(
                    "input_prefix",
                    TestCoordinator.json(response.body()).at("/error/param").asText());
        }
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
