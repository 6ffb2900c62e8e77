// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A served encoder embeds prompts as transformers does, many at once, and refuses the rest.
@ExtendWith(LogsOnFailure.class)
final class EncoderIT {
    private static final Path MODELS =
            Path.of("..", "model", "src", "test", "resources", "encoders");
    private static final Path MODEL = MODELS.resolve("xlm-roberta");
    private static final Path WINDOWS = MODELS.resolve("modernbert");
    private static final double TOLERANCE = 1e-4;

    @Test
    void promptsOfManyLengthsAreEmbeddedAndTextIsRefused() throws Exception {
        JsonNode cases = JsonNodes.parse(Files.readString(MODEL.resolve("golden.json")));
        try (ServedCluster cluster =
                ServedCluster.start(
                        Sandbox.quick(),
                        MODEL,
                        "--tensor-parallel=2",
                        "--dtype=f32",
                        "--kv-dtype=f32",
                        "--max-num-batched-tokens=48")) {
            List<Integer> indices = List.of(3, 0, 2, 1, 3, 1, 0, 2, 3, 3);
            List<JsonNode> answers =
                    Together.map(indices, i -> embed(cluster, cases.get(i).get("prompt_ids")).ok());
            for (int i = 0; i < indices.size(); i++) {
                requireDirection(mean(MODEL, indices.get(i)), answers.get(i));
            }
            ObjectNode text = JsonNodes.object().put("model", ServedCluster.MODEL);
            text.putArray("prompt").add(5).add(6);
            Api.Response refused = cluster.api().post("/v1/completions", text);
            assertEquals(400, refused.status());
            assertTrue(refused.body().toString().contains("embeddings"), refused.body()::toString);
            ObjectNode tooLong = JsonNodes.object().put("model", ServedCluster.MODEL);
            var ids = tooLong.putArray("input");
            for (int i = 0; i < 49; i++) {
                ids.add(7);
            }
            Api.Response above = cluster.api().post("/v1/embeddings", tooLong);
            assertEquals(400, above.status());
            assertTrue(
                    above.body().toString().contains("max-num-batched-tokens 48"),
                    above.body()::toString);
            JsonNode cut =
                    cluster.api()
                            .post("/v1/embeddings", tooLong.put("truncate_prompt_tokens", -1))
                            .ok();
            assertEquals(48, cut.get("usage").get("prompt_tokens").intValue());
            JsonNode listed = cluster.api().get("/v1/models").ok().get("data").get(0);
            assertEquals(48, listed.get("max_model_len").intValue());
        }
    }

    /// Layers with and without a window have a KV group each.
    @Test
    void anEncoderWithWindowsEmbedsPrompts() throws Exception {
        try (ServedCluster cluster =
                ServedCluster.start(Sandbox.quick(), WINDOWS, "--dtype=f32", "--kv-dtype=f32")) {
            requireRecorded(cluster, WINDOWS);
        }
    }

    @Test
    void soItDoesOnTwoEmulatedGpus() throws Exception {
        try (ServedCluster cluster = CudaClusters.start(Sandbox.quick(), WINDOWS, 2)) {
            requireRecorded(cluster, WINDOWS);
        }
    }

    private static void requireRecorded(ServedCluster cluster, Path model) throws Exception {
        JsonNode cases = JsonNodes.parse(Files.readString(model.resolve("golden.json")));
        for (int i = 0; i < cases.size(); i++) {
            JsonNode answer = embed(cluster, cases.get(i).get("prompt_ids")).ok();
            requireDirection(mean(model, i), answer);
        }
    }

    private static Api.Response embed(ServedCluster cluster, JsonNode ids) {
        ObjectNode body =
                JsonNodes.object().put("model", ServedCluster.MODEL).put("pooling", "mean");
        body.set("input", ids);
        return cluster.api().post("/v1/embeddings", body);
    }

    /// Returns the mean of the recorded hidden states of a prompt.
    private static double[] mean(Path model, int prompt) throws Exception {
        byte[] bytes = Files.readAllBytes(model.resolve("golden-logits.safetensors"));
        ByteBuffer file = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int header = Math.toIntExact(file.getLong(0));
        JsonNode tensor =
                JsonNodes.parse(new String(bytes, 8, header, StandardCharsets.UTF_8))
                        .get("logits." + prompt);
        int rows = tensor.get("shape").get(0).intValue();
        double[] mean = new double[tensor.get("shape").get(1).intValue()];
        file.position(8 + header + tensor.get("data_offsets").get(0).intValue());
        for (int row = 0; row < rows; row++) {
            for (int i = 0; i < mean.length; i++) {
                mean[i] += file.getFloat() / rows;
            }
        }
        return mean;
    }

    /// Embeddings have length 1.
    private static void requireDirection(double[] expected, JsonNode answer) {
        double squares = 0;
        for (double value : expected) {
            squares += value * value;
        }
        JsonNode vector = answer.get("data").get(0).get("embedding");
        assertEquals(expected.length, vector.size());
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i] / Math.sqrt(squares), vector.get(i).doubleValue(), TOLERANCE);
        }
    }
}
