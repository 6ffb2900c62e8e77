// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.proto.v1.PositionOutputs;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests of `/v1/score`, `/v1/rerank` and `dimensions` of embeddings.
final class RankingApiTest {
    private static TestCoordinator tiny;

    /// Every text has the vector (number of its tokens, 2, 0).
    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
        tiny.scheduler.behave(
                call -> {
                    call.outputs(
                            0,
                            PositionOutputs.newBuilder()
                                    .setPosition(call.request().getOutputs().getFrom())
                                    .setHiddenSize(3)
                                    .addPooled(call.request().getPromptIdsCount())
                                    .addPooled(2)
                                    .addPooled(0)
                                    .build());
                    call.finishByLength(0);
                });
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static HttpResponse<String> respond(String path, String fields) throws Exception {
        return tiny.post(
                path,
                ("{'model':'tiny','add_special_tokens':false," + fields + "}").replace('\'', '"'));
    }

    private static JsonNode post(String path, String fields) throws Exception {
        HttpResponse<String> response = respond(path, fields);
        assertEquals(200, response.statusCode(), response.body());
        return TestCoordinator.json(response.body());
    }

    private static double cosine(String first, String second) {
        double a = tiny.ids(first).length;
        double b = tiny.ids(second).length;
        return (a * b + 4) / Math.sqrt((a * a + 4) * (b * b + 4));
    }

    @Test
    void oneTextIsComparedWithEach() throws Exception {
        JsonNode response =
                post("/v1/score", "'text_1':'Hello','text_2':['Hello','Hello there friend']");
        assertEquals("list", response.get("object").asText());
        assertEquals(2, response.get("data").size());
        assertEquals(1, response.at("/data/0/score").asDouble(), 1e-6);
        assertEquals(
                cosine("Hello", "Hello there friend"),
                response.at("/data/1/score").asDouble(),
                1e-6);
        assertEquals(1, response.at("/data/1/index").asInt());
    }

    @Test
    void pairsAreComparedOneByOne() throws Exception {
        JsonNode response =
                post("/v1/score", "'text_1':['a','Hello there'],'text_2':['Hello there','a']");
        for (int i = 0; i < 2; i++) {
            assertEquals(
                    cosine("a", "Hello there"),
                    response.at("/data/" + i + "/score").asDouble(),
                    1e-6);
        }
    }

    @Test
    void theClosestDocumentsComeFirst() throws Exception {
        String fields =
                "'query':'Hello','documents':['Hello there my good friend',{'text':'Hello'},'Hello there']";
        JsonNode results = post("/v1/rerank", fields).get("results");
        List<Integer> order = new ArrayList<>();
        results.forEach(result -> order.add(result.get("index").asInt()));
        assertEquals(List.of(1, 2, 0), order);
        assertEquals("Hello", results.at("/0/document/text").asText());
        assertEquals(1, results.at("/0/relevance_score").asDouble(), 1e-6);
        JsonNode first = post("/v1/rerank", fields + ",'top_n':1,'return_documents':false");
        assertEquals(1, first.get("results").size());
        assertEquals(false, first.at("/results/0").has("document"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "/v1/score | 'text_1':['a','b'],'text_2':['a','b','c'] | text_1[0]",
                "/v1/score | 'text_1':'a' | text_2",
                "/v1/score | 'text_1':'a','text_2':[''] | text_2[0]",
                "/v1/rerank | 'query':'a','documents':[] | documents",
                "/v1/rerank | 'query':'a','documents':[{'image':'x'}] | documents[0].text",
                "/v1/embeddings | 'input':'a','dimensions':65 | dimensions",
                "/v1/embeddings | 'input':'a','dimensions':0 | dimensions"
            })
    void whatCannotBeComparedIsRefused(String path, String fields, String field) throws Exception {
        HttpResponse<String> response = respond(path, fields);
        assertEquals(400, response.statusCode(), response.body());
        assertEquals(
                field,
                TestCoordinator.json(response.body()).at("/error/param").asText(),
                response.body());
    }

    @Test
    void anEmbeddingIsCutAndHasLengthOne() throws Exception {
        JsonNode vector =
                post("/v1/embeddings", "'input':[3,4,5],'dimensions':1").at("/data/0/embedding");
        assertEquals(1, vector.size());
        assertEquals(1, vector.get(0).asDouble(), 1e-7);
    }
}
