// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The parameters of Apertus' activation, which GGUF files keep as lists of metadata with a number
/// for each layer, as the tensors that they are elsewhere.
final class XieluTensors {
    private static final List<String> PARAMETERS = List.of("alpha_n", "alpha_p", "beta", "eps");

    private XieluTensors() {}

    /// Returns whether a tensor is one of these, which the file has among its metadata.
    static boolean areIn(String storedName) {
        return storedName.startsWith("xielu.");
    }

    /// Returns tensors by their Hugging Face names; none for another architecture.
    static Map<String, StoredTensor> of(GgufMetadata metadata, String architecture) {
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        if (!architecture.equals("apertus")) {
            return tensors;
        }
        for (String parameter : PARAMETERS) {
            String key = "xielu." + parameter;
            float[] values = metadata.floats(key).orElseThrow(() -> metadata.missing(key));
            for (int layer = 0; layer < values.length; layer++) {
                tensors.put(
                        "model.layers.%d.mlp.act_fn.%s".formatted(layer, parameter),
                        new StoredTensor(
                                metadata.path(),
                                "%s[%d]".formatted(key, layer),
                                "F32",
                                Optional.of(TensorType.F32),
                                List.of(1L),
                                new RowOrder.AsIs(),
                                MemorySegment.ofArray(new float[] {values[layer]})));
            }
        }
        return tensors;
    }
}
