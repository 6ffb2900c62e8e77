// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// Prompts, greedy ids and logits recorded from another implementation.
record Goldens(List<Case> cases) {

    /// @param logits `[prompt length][vocabulary]`; the row at position p predicts p + 1
    record Case(int[] prompt, int[] greedy, float[][] logits) {}

    List<int[]> prompts() {
        return cases.stream().map(Case::prompt).toList();
    }

    private static final ObjectMapper JSON = new ObjectMapper();

    static Goldens of(JsonNode cases, Path logits, String prefix) {
        List<Case> read = new ArrayList<>();
        for (int i = 0; i < cases.size(); i++) {
            int[] prompt = integers(cases.get(i).get("prompt_ids"));
            int[] greedy = integers(cases.get(i).get("greedy_ids"));
            read.add(new Case(prompt, greedy, matrix(logits, prefix + "logits." + i)));
        }
        return new Goldens(read);
    }

    static JsonNode json(Path path) {
        try {
            return JSON.readTree(Files.readAllBytes(path));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static int[] integers(JsonNode array) {
        int[] values = new int[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.get(i).intValue();
        }
        return values;
    }

    /// Reads one F32 matrix of a safetensors file, independently of the code under test.
    private static float[][] matrix(Path path, String name) {
        try {
            byte[] bytes = Files.readAllBytes(path);
            ByteBuffer file = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
            int headerBytes = Math.toIntExact(file.getLong(0));
            JsonNode tensor =
                    JSON.readTree(new String(bytes, 8, headerBytes, StandardCharsets.UTF_8))
                            .get(name);
            int rows = tensor.get("shape").get(0).intValue();
            int columns = tensor.get("shape").get(1).intValue();
            file.position(8 + headerBytes + tensor.get("data_offsets").get(0).intValue());
            float[][] matrix = new float[rows][columns];
            for (float[] row : matrix) {
                for (int c = 0; c < columns; c++) {
                    row[c] = file.getFloat();
                }
            }
            return matrix;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
