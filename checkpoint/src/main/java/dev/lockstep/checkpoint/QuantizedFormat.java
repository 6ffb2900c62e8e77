// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// How a quantization method stores a layer: in several tensors, whose names have a suffix each.
interface QuantizedFormat {

    /// Returns the suffix of the tensor by which a layer is found.
    String marker();

    /// Returns the suffix of the tensor that replaces the parts.
    default String replaced() {
        return ".weight";
    }

    /// Returns whether the tensor with the marker belongs to a layer of this format.
    default boolean matches(LayerParts parts) {
        return true;
    }

    /// Returns the layer's matrix as one tensor with a decoder.
    StoredTensor layer(LayerParts parts);
}
