// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// The header of a safetensors file, as it is put together: its tensors follow one another, each a
/// piece of the file.
final class SafetensorsHeader {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final ObjectNode json = JSON.createObjectNode();
    private final List<Long> pieces = new ArrayList<>();
    private long end;

    void add(String name, String dtype, List<Long> shape, long bytes) {
        ObjectNode tensor = json.putObject(name).put("dtype", dtype);
        ArrayNode sizes = tensor.putArray("shape");
        shape.forEach(sizes::add);
        tensor.putArray("data_offsets").add(end).add(end + bytes);
        end += bytes;
        pieces.add(bytes);
    }

    int pieceCount() {
        return pieces.size();
    }

    long[] pieceBytes() {
        return pieces.stream().mapToLong(Long::longValue).toArray();
    }

    /// Returns the bytes that precede the pieces.
    ///
    /// @param origin what the data depends on
    /// @param metadata further texts by their keys
    byte[] bytes(String origin, Map<String, String> metadata) {
        ObjectNode about = json.putObject(SafetensorsFile.METADATA);
        about.put("format", "pt").put("converted_from", origin);
        metadata.forEach(about::put);
        return SafetensorsWriter.header(json.toString());
    }
}
