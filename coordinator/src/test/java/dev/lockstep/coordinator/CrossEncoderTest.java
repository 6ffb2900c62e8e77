// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.Pooling;
import dev.lockstep.proto.v1.PositionOutputs;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Tests of an encoder that reads a query and a document together, without sentence-transformers
/// files.
final class CrossEncoderTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int CLS = 0;
    private static final int SEP = 2;

    private static TestCoordinator tiny;

    /// Every prompt has the hidden state (number of its tokens / 100, 0, 0, …).
    @BeforeAll
    static void start() throws Exception {
        tiny =
                TestCoordinator.start(
                        TestCoordinator.tinyModel(
                                CrossEncoderTest::writeFiles, TextSettings.OF_MODEL));
        tiny.scheduler.behave(
                call -> {
                    PositionOutputs.Builder outputs = PositionOutputs.newBuilder();
                    for (float value : state(call.request().getPromptIdsCount())) {
                        outputs.addPooled(value);
                    }
                    call.outputs(0, outputs.build());
                    call.finishByLength(0);
                });
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static float[] state(int tokens) {
        float[] state = new float[64];
        state[0] = tokens / 100f;
        return state;
    }

    private static void writeFiles(Path folder) throws IOException {
        TinyCheckpoint.write(
                folder,
                5,
                """
                {"architectures":["BertForSequenceClassification"],"model_type":"bert","hidden_size":64,
                 "intermediate_size":64,"num_hidden_layers":1,"num_attention_heads":4,"vocab_size":512,
                 "max_position_embeddings":64,"type_vocab_size":2,"layer_norm_eps":1e-12,
                 "sentence_transformers":{"activation_fn":"torch.nn.modules.linear.Identity"}}
                """,
                Map.of(
                        "bert.embeddings.word_embeddings.weight", List.of(512L, 64L),
                        "bert.pooler.dense.weight", List.of(64L, 64L),
                        "bert.pooler.dense.bias", List.of(64L),
                        "classifier.weight", List.of(1L, 64L),
                        "classifier.bias", List.of(1L)));
        Path tokenizer = folder.resolve("tokenizer.json");
        var root = (ObjectNode) JSON.readTree(tokenizer.toFile());
        root.set(
                "post_processor",
                JSON.readTree(
                        "{'type':'BertProcessing','cls':['<|endoftext|>',0],'sep':['<|im_end|>',2]}"
                                .replace('\'', '"')));
        Files.writeString(tokenizer, JSON.writeValueAsString(root));
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"model_max_length\":32}");
    }

    private static JsonNode post(int status, String path, String fields) throws Exception {
        HttpResponse<String> response =
                tiny.post(path, ("{'model':'tiny'," + fields + "}").replace('\'', '"'));
        assertEquals(status, response.statusCode(), response.body());
        return TestCoordinator.json(response.body());
    }

    /// Returns `[CLS] query [SEP] document [SEP]`.
    private static int[] pair(String query, String document) {
        return Stream.of(
                        new int[] {CLS},
                        tiny.model.encode("query", query, false),
                        new int[] {SEP},
                        tiny.model.encode("document", document, false),
                        new int[] {SEP})
                .flatMapToInt(IntStream::of)
                .toArray();
    }

    @Test
    void aPairIsReadWithTheTokensAndTypesOfTheTokenizer() throws Exception {
        JsonNode response = post(200, "/v1/rerank", "'query':'a cat','documents':['it sleeps']");
        GenerateRequest sent = tiny.scheduler.nextCall().request();
        int[] ids = pair("a cat", "it sleeps");
        assertArrayEquals(
                ids, sent.getPromptIdsList().stream().mapToInt(Integer::intValue).toArray());
        assertEquals(Pooling.POOLING_CLS, sent.getOutputs().getPooling());
        assertEquals(0, sent.getOutputs().getFrom());
        assertEquals(
                2 + tiny.model.encode("query", "a cat", false).length,
                sent.getOutputs().getSecondText());
        var head = (SentenceModel.Score) tiny.model.sentence().output();
        assertEquals(
                head.of(state(ids.length)),
                response.at("/results/0/relevance_score").asDouble(),
                1e-9);
    }

    @Test
    void theScoreIsThatOfThePoolerAndTheClassifier() throws Exception {
        var head = (SentenceModel.Score) tiny.model.sentence().output();
        float[] state = state(30);
        double score = head.bias();
        for (int i = 0; i < 64; i++) {
            double sum =
                    head.layer().orElseThrow().dense().bias()[i]
                            + head.layer().orElseThrow().dense().weight()[64 * i] * state[0];
            score += head.weight()[i] * Math.tanh(sum);
        }
        assertEquals(score, head.of(state), 1e-6);
    }

    @Test
    void scoresOfTwoTextsAreThoseOfRerank() throws Exception {
        JsonNode scores = post(200, "/v1/score", "'text_1':'a','text_2':['b','a longer document']");
        JsonNode results =
                post(200, "/v1/rerank", "'query':'a','documents':['b','a longer document']")
                        .get("results");
        for (JsonNode each : results) {
            JsonNode score = scores.get("data").get(each.get("index").asInt()).get("score");
            assertEquals(score.asDouble(), each.get("relevance_score").asDouble());
        }
        for (int i = 0; i < 4; i++) {
            tiny.scheduler.nextCall();
        }
    }

    @Test
    void aPairThatIsTooLongIsRefusedUntilItsDocumentIsCut() throws Exception {
        String document = "word ".repeat(200);
        JsonNode error = post(400, "/v1/rerank", "'query':'a','documents':['" + document + "']");
        assertTrue(error.toString().contains("limit them to 32"), error.toString());
        post(
                200,
                "/v1/rerank",
                "'query':'a','documents':['" + document + "'],'max_tokens_per_doc':16");
        assertEquals(
                pair("a", "").length + 16, tiny.scheduler.nextCall().request().getPromptIdsCount());
    }

    @Test
    void aModelOfLowerCaseReadsBothTextsInIt() throws Exception {
        ServedModel lower =
                TestCoordinator.tinyModel(
                        folder -> {
                            writeFiles(folder);
                            Files.writeString(
                                    folder.resolve("sentence_bert_config.json"),
                                    "{\"do_lower_case\": true}");
                        },
                        TextSettings.OF_MODEL);
        var head = (SentenceModel.Score) lower.sentence().output();
        int[] ids =
                new PairPrompts(lower, head, "")
                        .of("A Query", "documents", "A DOCUMENT", Pooling.POOLING_CLS)
                        .ids();
        assertArrayEquals(pair("a query", "a document"), ids);
    }

    @Test
    void textAndEmbeddingsAreRefused() throws Exception {
        assertEquals(
                "ranks_only",
                post(400, "/v1/embeddings", "'input':'a'").at("/error/code").asText());
        JsonNode refused = post(400, "/v1/completions", "'prompt':'a'");
        assertEquals("embeddings_only", refused.at("/error/code").asText());
        assertTrue(refused.at("/error/message").asText().contains("/v1/rerank"), refused::toString);
    }
}
