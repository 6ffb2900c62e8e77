// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.client.CompletionRequest;
import dev.lockstep.client.LockstepClient;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Served embedding models and rerankers compute the vectors and scores that sentence-transformers
/// recorded for them, with the pooling, prompts and heads of their own files.
@ExtendWith(LogsOnFailure.class)
final class SentenceModelsIT {
    /// The length of an input that no case has to cut.
    private static final int SHORT = 40;

    private static final float TOLERANCE = 2e-5f;

    /// The name of the file of a model that llama.cpp has converted.
    private static final String GGUF = "model.gguf";

    @ParameterizedTest
    @CsvSource({"qwen3-embedding, 1", "e5-mistral, 2", "dense-layers, 3"})
    void vectorsAreThoseOfTheModelsOwnFiles(String name, int ranks) throws Exception {
        JsonNode cases = golden(name).get("embeddings");
        try (ServedCluster cluster = serve(name, ranks);
                LockstepClient client =
                        LockstepClient.connect(
                                "127.0.0.1", cluster.api().port(), Duration.ofSeconds(30))) {
            for (JsonNode each : cases) {
                float[] expected = numbers(each.get("embedding"));
                ObjectNode body = body().put("input", each.get("input").asText());
                // As sentence-transformers cuts by itself what is longer than the limit.
                body.put("truncate", true);
                if (!each.get("prompt_name").isNull()) {
                    body.put("prompt_name", each.get("prompt_name").asText());
                }
                JsonNode data = cluster.api().post("/v1/embeddings", body).ok().get("data");
                float[] vector = numbers(data.get(0).get("embedding"));
                assertArrayEquals(expected, vector, TOLERANCE, each.get("input").asText());
                if (each.get("input").asText().length() < SHORT) {
                    assertSameByClient(client, each, vector);
                }
            }
            assertSameTogether(cluster.api(), cases);
            if (name.equals("e5-mistral")) {
                JsonNode prompt = body().put("prompt", "a");
                assertEquals(
                        "embeddings_only",
                        cluster.api().post("/v1/completions", prompt).errorCode());
            }
        }
    }

    private static void assertSameByClient(LockstepClient client, JsonNode each, float[] expected) {
        CompletionRequest request =
                CompletionRequest.prompt(ServedCluster.MODEL, each.get("input").asText());
        float[] vector =
                each.get("prompt_name").isNull()
                        ? client.embed(request)
                        : client.embed(request, each.get("prompt_name").asText());
        assertArrayEquals(expected, vector);
    }

    /// Asserts that inputs in one request get the bits that they get alone.
    private static void assertSameTogether(Api api, JsonNode cases) {
        ArrayNode inputs = JsonNodeFactory.instance.arrayNode();
        List<float[]> alone = new ArrayList<>();
        for (JsonNode each : cases) {
            if (each.get("prompt_name").isNull()) {
                inputs.add(each.get("input"));
                ObjectNode body = body().put("input", each.get("input").asText());
                body.put("truncate", true);
                JsonNode data = api.post("/v1/embeddings", body).ok().get("data");
                alone.add(numbers(data.get(0).get("embedding")));
            }
        }
        ObjectNode body = body();
        body.put("truncate", true).set("input", inputs);
        JsonNode together = api.post("/v1/embeddings", body).ok().get("data");
        JsonNode ollama = api.post("/api/embed", body).ok().get("embeddings");
        for (int i = 0; i < alone.size(); i++) {
            assertArrayEquals(alone.get(i), numbers(together.get(i).get("embedding")));
            assertArrayEquals(alone.get(i), numbers(ollama.get(i)));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "qwen3-reranker, 1",
        "classifier, 2",
        "bert-cross-encoder, 2",
        "xlm-roberta-cross-encoder, 1",
        "modernbert-cross-encoder, 3",
        "gguf-modernbert-cross-encoder, 2"
    })
    void rerankersScoreByTheirHeads(String name, int ranks) throws Exception {
        JsonNode golden = golden(name);
        float[] expected = numbers(golden.get("scores"));
        try (ServedCluster cluster = serve(name, ranks)) {
            ObjectNode pairs = body().put("text_1", golden.get("query").asText());
            pairs.set("text_2", golden.get("documents"));
            JsonNode data = cluster.api().post("/v1/score", pairs).ok().get("data");
            for (int i = 0; i < expected.length; i++) {
                assertEquals(expected[i], data.get(i).get("score").asDouble(), TOLERANCE);
            }
            ObjectNode body = body().put("query", golden.get("query").asText());
            body.set("documents", golden.get("documents"));
            int[] order =
                    IntStream.range(0, expected.length)
                            .boxed()
                            .sorted(Comparator.comparingDouble((Integer i) -> -expected[i]))
                            .mapToInt(Integer::intValue)
                            .toArray();
            for (String path : List.of("/v1/rerank", "/v2/rerank", "/rerank")) {
                JsonNode results = cluster.api().post(path, body).ok().get("results");
                for (int i = 0; i < order.length; i++) {
                    assertEquals(order[i], results.get(i).get("index").asInt());
                    assertEquals(
                            expected[order[i]],
                            results.get(i).get("relevance_score").asDouble(),
                            TOLERANCE);
                }
            }
            Api.Response vector = cluster.api().post("/v1/embeddings", body().put("input", "a"));
            assertEquals("ranks_only", vector.errorCode());
            Api.Response text = cluster.api().post("/v1/completions", body().put("prompt", "a"));
            assertTrue(text.status() == (name.equals("qwen3-reranker") ? 200 : 400));
        }
    }

    /// A decoder without any file of sentence-transformers ranks by the tokens and the template of
    /// a setting.
    @Test
    void aDecoderRanksByAFileOfTheSettings(@TempDir Path plain) throws Exception {
        Path published = folder("qwen3-reranker");
        for (String name :
                List.of(
                        "config.json",
                        "model.safetensors",
                        "tokenizer.json",
                        "tokenizer_config.json")) {
            Files.copy(published.resolve(name), plain.resolve(name));
        }
        Path file = plain.resolveSibling(plain.getFileName() + ".json");
        ObjectNode description = JsonNodeFactory.instance.objectNode();
        JsonNode vocabulary = JsonNodes.read(plain.resolve("tokenizer.json")).at("/model/vocab");
        ArrayNode tokens = description.putArray("classifier_from_token");
        JsonNode ids = JsonNodes.read(published.resolve("1_LogitScore/config.json"));
        for (String key : List.of("false_token_id", "true_token_id")) {
            vocabulary
                    .properties()
                    .forEach(
                            each -> {
                                if (each.getValue().equals(ids.get(key))) {
                                    tokens.add(each.getKey());
                                }
                            });
        }
        description.put("instruction", "Given a web search query, find its answers.");
        description.put(
                "template",
                """
                <|im_start|>system
                Answer yes or no.<|im_end|>
                <|im_start|>user
                <Instruct>: {instruction}
                <Query>: {query}
                <Document>: {document}<|im_end|>
                <|im_start|>assistant
                <think>

                </think>

                """);
        Files.writeString(file, description.toString());
        JsonNode golden = golden("qwen3-reranker");
        float[] expected = numbers(golden.get("scores"));
        try (ServedCluster cluster =
                ServedCluster.start(
                        Sandbox.quick(),
                        plain,
                        "--dtype=f32",
                        "--kv-dtype=f32",
                        "--reranker=" + file)) {
            ObjectNode pairs = body().put("text_1", golden.get("query").asText());
            pairs.set("text_2", golden.get("documents"));
            JsonNode data = cluster.api().post("/v1/score", pairs).ok().get("data");
            for (int i = 0; i < expected.length; i++) {
                assertEquals(expected[i], data.get(i).get("score").asDouble(), TOLERANCE);
            }
            cluster.api().post("/v1/completions", body().put("prompt", "a")).ok();
        } finally {
            Files.delete(file);
        }
    }

    private static ServedCluster serve(String name, int ranks) throws Exception {
        return ServedCluster.start(
                Sandbox.quick(),
                Files.exists(folder(name).resolve(GGUF))
                        ? folder(name).resolve(GGUF)
                        : folder(name),
                "--dtype=f32",
                "--kv-dtype=f32",
                "--tensor-parallel=" + ranks);
    }

    private static ObjectNode body() {
        return JsonNodeFactory.instance.objectNode().put("model", ServedCluster.MODEL);
    }

    private static Path folder(String name) throws URISyntaxException {
        return Path.of(SentenceModelsIT.class.getResource("/sentences/" + name).toURI());
    }

    private static JsonNode golden(String name) throws Exception {
        return JsonNodes.read(folder(name).resolve("golden.json"));
    }

    private static float[] numbers(JsonNode values) {
        var numbers = new float[values.size()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = values.get(i).floatValue();
        }
        return numbers;
    }
}
