// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// What the configuration of a model says of matrices that compressed-tensors stores.
///
/// @param ignored the modules whose matrices are not quantized
/// @param cacheScales whether keys and values have scales
record CompressedConfig(CompressedLayout layout, List<String> ignored, boolean cacheScales) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /// Returns a configuration with this added.
    String of(Path original) throws IOException {
        ObjectNode config = (ObjectNode) JSON.readTree(original.toFile());
        ObjectNode quantization = config.putObject("quantization_config");
        quantization
                .put("quant_method", "compressed-tensors")
                .put("format", layout.format())
                .put("quantization_status", "compressed");
        ArrayNode ignore = quantization.putArray("ignore");
        ignored.forEach(ignore::add);
        ObjectNode group = quantization.putObject("config_groups").putObject("group_0");
        group.putArray("targets").add("Linear");
        layout.describe(group);
        if (cacheScales) {
            CompressedLayout.fixedFloats(quantization.putObject("kv_cache_scheme"));
        }
        return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(config) + "\n";
    }
}
