package dev.lockstep.it;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// A prompt and what another implementation recorded for it.
///
/// @param greedy the ids it goes on with
/// @param lastLogits those that follow the prompt, one for each id of the vocabulary
record GoldenCase(List<Integer> prompt, List<Integer> greedy, List<Float> lastLogits) {

    GoldenCase {
        prompt = List.copyOf(prompt);
        greedy = List.copyOf(greedy);
        lastLogits = List.copyOf(lastLogits);
    }

    /// @param cases the array in `golden.json`
    /// @param logits the safetensors file beside it
    /// @param prefix of the names in it
    static List<GoldenCase> read(JsonNode cases, Path logits, String prefix) {
        List<GoldenCase> read = new ArrayList<>();
        for (JsonNode each : cases) {
            read.add(
                    new GoldenCase(
                            Json.integers(each.path("prompt_ids")),
                            Json.integers(each.path("greedy_ids")),
                            lastRow(logits, prefix + "logits." + read.size())));
        }
        return read;
    }

    /// Natural logarithms of the softmax of the last logits.
    double[] lastLogprobs() {
        double most = lastLogits.stream().mapToDouble(Float::doubleValue).max().orElseThrow();
        double sum = lastLogits.stream().mapToDouble(logit -> Math.exp(logit - most)).sum();
        return lastLogits.stream().mapToDouble(logit -> logit - most - Math.log(sum)).toArray();
    }

    /// The last row of a matrix of f32, read the plain way.
    private static List<Float> lastRow(Path path, String name) {
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "r")) {
            int headerBytes = Math.toIntExact(Long.reverseBytes(file.readLong()));
            byte[] header = new byte[headerBytes];
            file.readFully(header);
            JsonNode tensor = Json.parse(new String(header, StandardCharsets.UTF_8)).path(name);
            byte[] row = new byte[tensor.path("shape").path(1).intValue() * Float.BYTES];
            long end = 8L + headerBytes + tensor.path("data_offsets").path(1).longValue();
            file.seek(end - row.length);
            file.readFully(row);
            ByteBuffer values = ByteBuffer.wrap(row).order(ByteOrder.LITTLE_ENDIAN);
            List<Float> logits = new ArrayList<>();
            while (values.hasRemaining()) {
                logits.add(values.getFloat());
            }
            return logits;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
