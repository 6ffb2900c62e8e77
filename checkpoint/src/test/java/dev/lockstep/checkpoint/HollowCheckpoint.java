// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/// A writer of models of any size without weights: where these would be, the file has a hole, which
/// takes no bytes on the disk.
public final class HollowCheckpoint {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int BF16_BYTES = 2;

    private HollowCheckpoint() {}

    /// Writes a new folder with a configuration and one file of BF16 tensors.
    ///
    /// @param shapes by the tensors' names, each an array of dimensions
    public static void write(Path folder, String config, Map<String, JsonNode> shapes)
            throws IOException {
        Files.createDirectory(folder);
        Files.writeString(folder.resolve("config.json"), config);
        ObjectNode tensors = JSON.createObjectNode();
        long end = 0;
        for (Map.Entry<String, JsonNode> each : shapes.entrySet()) {
            long begin = end;
            long bytes = BF16_BYTES;
            for (JsonNode dimension : each.getValue()) {
                bytes *= dimension.asLong();
            }
            end += bytes;
            ObjectNode tensor = tensors.putObject(each.getKey()).put("dtype", "BF16");
            tensor.set("shape", each.getValue());
            tensor.putArray("data_offsets").add(begin).add(end);
        }
        byte[] header = SafetensorsWriter.header(JSON.writeValueAsString(tensors));
        try (var file = new RandomAccessFile(folder.resolve("model.safetensors").toFile(), "rw")) {
            file.write(header);
            file.setLength(header.length + end);
        }
    }
}
