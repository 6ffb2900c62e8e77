// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// A prompt and the outputs that another implementation recorded for it.
///
/// @param greedy the generated ids
/// @param logits one row for each position of the prompt, with one value for each vocabulary id
record GoldenCase(List<Integer> prompt, List<Integer> greedy, List<List<Float>> logits) {

    GoldenCase {
        prompt = List.copyOf(prompt);
        greedy = List.copyOf(greedy);
        logits = List.copyOf(logits);
    }

    /// Reads all cases of a recorded model.
    static List<GoldenCase> of(Path model) {
        return read(
                JsonNodes.read(model.resolve("golden.json")),
                model.resolve("golden-logits.safetensors"),
                "");
    }

    /// Reads all cases of a file.
    ///
    /// @param cases the array in `golden.json`
    /// @param logits the safetensors file beside it
    /// @param prefix the prefix of the tensor names in that file
    static List<GoldenCase> read(JsonNode cases, Path logits, String prefix) {
        List<GoldenCase> read = new ArrayList<>();
        for (JsonNode each : cases) {
            read.add(
                    new GoldenCase(
                            JsonNodes.integers(each.path("prompt_ids")),
                            JsonNodes.integers(each.path("greedy_ids")),
                            rows(logits, prefix + "logits." + read.size())));
        }
        return read;
    }

    /// Returns a request for the recorded ids.
    ObjectNode request() {
        return CompletionBodies.greedy(prompt, greedy.size());
    }

    /// Returns the natural log-probabilities of the token after the prompt.
    double[] lastLogprobs() {
        return logprobs(logits.size() - 1);
    }

    /// Returns the natural log-probabilities of the token after a position of the prompt.
    double[] logprobs(int position) {
        List<Float> row = logits.get(position);
        double max = row.stream().mapToDouble(Float::doubleValue).max().orElseThrow();
        double sum = row.stream().mapToDouble(logit -> Math.exp(logit - max)).sum();
        return row.stream().mapToDouble(logit -> logit - max - Math.log(sum)).toArray();
    }

    /// Reads the rows of an f32 matrix, independently of our own reader.
    private static List<List<Float>> rows(Path path, String name) {
        try (var file = new RandomAccessFile(path.toFile(), "r")) {
            int headerBytes = Math.toIntExact(Long.reverseBytes(file.readLong()));
            byte[] header = new byte[headerBytes];
            file.readFully(header);
            JsonNode tensor =
                    JsonNodes.parse(new String(header, StandardCharsets.UTF_8)).path(name);
            int columns = tensor.path("shape").path(1).intValue();
            byte[] all = new byte[tensor.path("shape").path(0).intValue() * columns * Float.BYTES];
            file.seek(8L + headerBytes + tensor.path("data_offsets").path(0).longValue());
            file.readFully(all);
            ByteBuffer values = ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN);
            List<List<Float>> rows = new ArrayList<>();
            while (values.hasRemaining()) {
                List<Float> row = new ArrayList<>(columns);
                for (int column = 0; column < columns; column++) {
                    row.add(values.getFloat());
                }
                rows.add(row);
            }
            return rows;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
