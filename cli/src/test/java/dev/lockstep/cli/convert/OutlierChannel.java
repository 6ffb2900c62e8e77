// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// Makes the inputs of a channel large and its weights small, which leaves the model as it is.
final class OutlierChannel {
    private OutlierChannel() {}

    /// Changes `model.safetensors`, whose values are F32.
    ///
    /// @param layer the first part of all names
    static void add(
            Path folder,
            String layer,
            String norm,
            List<String> matrices,
            int channel,
            float factor)
            throws IOException {
        Path file = folder.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        ByteBuffer values = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int length = (int) values.getLong(0);
        JsonNode header = new ObjectMapper().readTree(bytes, Long.BYTES, length);
        int data = Long.BYTES + length;
        multiply(values, data, header.get(layer + norm + ".weight"), channel, factor);
        for (String each : matrices) {
            JsonNode matrix = header.get(layer + each + ".weight");
            int columns = matrix.at("/shape/1").intValue();
            for (int row = 0; row < matrix.at("/shape/0").intValue(); row++) {
                multiply(values, data, matrix, row * columns + channel, 1 / factor);
            }
        }
        Files.write(file, bytes);
    }

    /// Multiplies one weight of a matrix of `model.safetensors`, whose values are F32.
    static void multiply(Path folder, String matrix, int index, float factor) throws IOException {
        Path file = folder.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        ByteBuffer values = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int length = (int) values.getLong(0);
        JsonNode header = new ObjectMapper().readTree(bytes, Long.BYTES, length);
        multiply(values, Long.BYTES + length, header.get(matrix), index, factor);
        Files.write(file, bytes);
    }

    private static void multiply(
            ByteBuffer values, int data, JsonNode tensor, int index, float factor) {
        int at = data + tensor.at("/data_offsets/0").intValue() + index * Float.BYTES;
        values.putFloat(at, values.getFloat(at) * factor);
    }
}
