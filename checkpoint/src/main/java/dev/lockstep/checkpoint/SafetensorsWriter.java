// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/// A writer of `.safetensors` files whose header ends at a multiple of 8 bytes.
final class SafetensorsWriter {
    private static final ObjectMapper JSON = new ObjectMapper();

    private SafetensorsWriter() {}

    /// One tensor with its bytes, little-endian.
    record Content(String dtype, List<Long> shape, byte[] bytes) {
        static Content f32(List<Long> shape, float[] values) {
            ByteBuffer bytes =
                    ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asFloatBuffer().put(values);
            return new Content("F32", shape, bytes.array());
        }
    }

    /// Writes the tensors in the map's order.
    static void write(Path path, Map<String, Content> tensors) throws IOException {
        ObjectNode header = JSON.createObjectNode();
        header.putObject(SafetensorsFile.METADATA).put("format", "pt");
        long offset = 0;
        for (Map.Entry<String, Content> entry : tensors.entrySet()) {
            ObjectNode tensor = header.putObject(entry.getKey());
            tensor.put("dtype", entry.getValue().dtype());
            entry.getValue().shape().forEach(tensor.withArray("shape")::add);
            long end = offset + entry.getValue().bytes().length;
            tensor.putArray("data_offsets").add(offset).add(end);
            offset = end;
        }
        try (OutputStream out = Files.newOutputStream(path)) {
            out.write(header(JSON.writeValueAsString(header)));
            for (Content tensor : tensors.values()) {
                out.write(tensor.bytes());
            }
        }
    }

    /// Returns the length and then the JSON padded with spaces.
    static byte[] header(String json) {
        byte[] text = json.getBytes(StandardCharsets.UTF_8);
        int length = (text.length + 7) / 8 * 8;
        byte[] header = new byte[8 + length];
        Arrays.fill(header, (byte) ' ');
        ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).putLong(length).put(text);
        return header;
    }
}
