// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.Pooling;
import dev.lockstep.proto.v1.PositionOutputs;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Tests of embeddings and ranking by a model whose files say how: a mean without the prompt,
/// vectors that are not normalised, prompts, and a limit of an input.
final class SentenceFilesTest {
    private static final String QUERY = "q: ";
    private static final String PASSAGE = "text: ";
    private static final int LIMIT = 24;
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny =
                TestCoordinator.start(
                        TestCoordinator.tinyModel(
                                SentenceFilesTest::writeFiles, TextSettings.OF_MODEL));
        tiny.scheduler.behave(
                call -> {
                    int size = call.request().getPromptIdsCount();
                    call.outputs(
                            0, PositionOutputs.newBuilder().addPooled(size).addPooled(2).build());
                    call.finishByLength(0);
                });
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static void writeFiles(Path folder) throws IOException {
        write(
                folder.resolve("modules.json"),
                "[{'path':'','type':'sentence_transformers.models.Transformer'},"
                        + "{'path':'1_Pooling','type':'sentence_transformers.models.Pooling'}]");
        Files.createDirectories(folder.resolve("1_Pooling"));
        write(
                folder.resolve("1_Pooling/config.json"),
                "{'pooling_mode':'mean','include_prompt':false}");
        write(
                folder.resolve("config_sentence_transformers.json"),
                "{'prompts':{'query':'q: ','passage':'text: '},'default_prompt_name':'passage','similarity_fn_name':'dot'}");
        write(folder.resolve("sentence_bert_config.json"), "{'max_seq_length':" + LIMIT + "}");
    }

    private static void write(Path file, String text) throws IOException {
        Files.writeString(file, text.replace('\'', '"'));
    }

    private static HttpResponse<String> respond(String path, String fields) throws Exception {
        return tiny.post(path, ("{'model':'tiny'," + fields + "}").replace('\'', '"'));
    }

    private static JsonNode post(String path, String fields) throws Exception {
        HttpResponse<String> response = respond(path, fields);
        assertEquals(200, response.statusCode(), response.body());
        return TestCoordinator.json(response.body());
    }

    private static JsonNode refusal(String path, String fields) throws Exception {
        HttpResponse<String> response = respond(path, fields);
        assertEquals(400, response.statusCode(), response.body());
        return TestCoordinator.json(response.body()).get("error");
    }

    /// Returns the request that the scheduler gets for one input.
    private static GenerateRequest sent(String path, String fields) throws Exception {
        post(path, fields);
        return tiny.scheduler.nextCall().request();
    }

    private static void assertPrompt(String text, GenerateRequest request) {
        assertEquals(Arrays.stream(tiny.ids(text)).boxed().toList(), request.getPromptIdsList());
    }

    @Test
    void aPromptIsChosenByNameOrTypeOrDefault() throws Exception {
        GenerateRequest byDefault = sent("/v1/embeddings", "'input':'Hello'");
        assertPrompt(PASSAGE + "Hello", byDefault);
        assertEquals(Pooling.POOLING_MEAN, byDefault.getOutputs().getPooling());
        assertEquals(tiny.ids(PASSAGE).length, byDefault.getOutputs().getFrom());
        for (String field :
                List.of(
                        "'prompt_name':'query'",
                        "'input_type':'query'",
                        "'input_type':'search_query'")) {
            GenerateRequest query = sent("/v1/embeddings", "'input':'Hello'," + field);
            assertPrompt(QUERY + "Hello", query);
            assertEquals(tiny.ids(QUERY).length, query.getOutputs().getFrom());
        }
        assertPrompt(
                PASSAGE + "Hello",
                sent("/v1/embeddings", "'input':'Hello','input_type':'search_document'"));
        assertPrompt(PASSAGE + "Hello", sent("/api/embed", "'input':'Hello'"));
        GenerateRequest ids = sent("/v1/embeddings", "'input':[3,4,5]");
        assertEquals(List.of(3, 4, 5), ids.getPromptIdsList());
        assertEquals(0, ids.getOutputs().getFrom());
    }

    @Test
    void anUnknownPromptIsRefusedWithTheKnownOnes() throws Exception {
        JsonNode unknown = refusal("/v1/embeddings", "'input':'a','prompt_name':'web'");
        assertEquals("prompt_name", unknown.get("param").asText());
        assertTrue(unknown.get("message").asText().contains("query, passage"), unknown.toString());
        assertEquals(
                "input_type",
                refusal("/v1/embeddings", "'input':'a','input_type':'classification'")
                        .get("param")
                        .asText());
        assertEquals(
                "input_type",
                refusal("/v1/embeddings", "'input':'a','input_type':'query','prompt_name':'query'")
                        .get("param")
                        .asText());
        assertTrue(
                refusal("/v1/embeddings", "'input':[3],'prompt_name':'query'")
                        .get("message")
                        .asText()
                        .contains("input is token ids"));
    }

    @Test
    void aRequestReplacesPoolingAndNormalizing() throws Exception {
        JsonNode own = post("/v1/embeddings", "'input':[3,4,5]").at("/data/0/embedding");
        tiny.scheduler.nextCall();
        assertEquals(3, own.get(0).asDouble());
        assertEquals(2, own.get(1).asDouble());
        JsonNode unit =
                post("/v1/embeddings", "'input':[3,4,5],'normalize':true,'pooling':'cls'")
                        .at("/data/0/embedding");
        assertEquals(3 / Math.sqrt(13), unit.get(0).asDouble(), 1e-6);
        assertEquals(
                Pooling.POOLING_CLS, tiny.scheduler.nextCall().request().getOutputs().getPooling());
    }

    @Test
    void anInputBeyondTheLimitIsRefusedOrCut() throws Exception {
        String text = "word ".repeat(40);
        JsonNode refused = refusal("/v1/embeddings", "'input':'" + text + "'");
        assertEquals("context_length_exceeded", refused.get("code").asText());
        assertTrue(refused.get("message").asText().contains("limit an input to 24"));
        int[] all = tiny.ids(PASSAGE + text);
        List<Integer> first = Arrays.stream(all).limit(LIMIT).boxed().toList();
        for (String field : List.of("'truncate':true", "'truncate':'END'")) {
            assertEquals(
                    first,
                    sent("/v1/embeddings", "'input':'" + text + "'," + field).getPromptIdsList());
        }
        assertEquals(first, sent("/api/embed", "'input':'" + text + "'").getPromptIdsList());
        List<Integer> last = Arrays.stream(all).skip(all.length - LIMIT).boxed().toList();
        for (String field :
                List.of("'truncate':'START'", "'truncate':true,'truncation_direction':'Left'")) {
            assertEquals(
                    last,
                    sent("/v1/embeddings", "'input':'" + text + "'," + field).getPromptIdsList());
        }
        assertEquals(
                "truncate",
                refusal("/v1/embeddings", "'input':'a','truncate':'MIDDLE'").get("param").asText());
    }

    @Test
    void tokensAroundATextStayWhenItIsCut() {
        int[] around = {1, 10, 11, 12, 13, 2};
        int[] content = {10, 11, 12, 13};
        assertArrayEquals(new int[] {1, 10, 11, 2}, TextCut.END.of(around, content, 4));
        assertArrayEquals(new int[] {1, 12, 13, 2}, TextCut.START.of(around, content, 4));
        assertArrayEquals(around, TextCut.NONE.of(around, content, 4));
        assertArrayEquals(around, TextCut.END.of(around, content, 6));
    }

    @Test
    void queriesAndDocumentsHaveTheirOwnPromptsWhereTheyAreRanked() throws Exception {
        JsonNode results =
                post(
                                "/v1/rerank",
                                "'query':'Hello','documents':['Hello you'],'max_tokens_per_doc':1")
                        .get("results");
        GenerateRequest first = tiny.scheduler.nextCall().request();
        GenerateRequest second = tiny.scheduler.nextCall().request();
        boolean inOrder = !first.getRequestId().endsWith("-1");
        GenerateRequest query = inOrder ? first : second;
        GenerateRequest document = inOrder ? second : first;
        assertPrompt(QUERY + "Hello", query);
        String cut = tiny.model.decode(Arrays.copyOf(tiny.ids("Hello you"), 1), false);
        assertPrompt(PASSAGE + cut, document);
        assertEquals(
                query.getPromptIdsCount() * document.getPromptIdsCount() + 4,
                results.at("/0/relevance_score").asDouble(),
                1e-6);
        assertEquals("Hello you", results.at("/0/document/text").asText());
        assertEquals(
                "instruct",
                refusal("/v1/rerank", "'query':'a','documents':['b'],'instruct':'x'")
                        .get("param")
                        .asText());
    }
}
