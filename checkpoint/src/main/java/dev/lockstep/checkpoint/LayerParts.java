// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// The tensors of which one quantized layer consists, checked as they are taken: every part has the
/// name of the layer and a suffix.
///
/// @param all the tensors of the checkpoint
/// @param used receives the names of the tensors that are taken
record LayerParts(String layer, Map<String, StoredTensor> all, Set<String> used) {

    boolean has(String suffix) {
        return all.containsKey(layer + suffix);
    }

    /// Returns whether a part has one of the types.
    boolean has(String suffix, String... typeNames) {
        StoredTensor part = all.get(layer + suffix);
        return part != null && List.of(typeNames).contains(part.typeName());
    }

    /// Takes a part.
    ///
    /// @param typeNames the types that it may have
    StoredTensor take(String suffix, String... typeNames) {
        StoredTensor tensor = all.get(layer + suffix);
        if (tensor == null) {
            throw new CheckpointException(
                    "%s: tensor %s%s is missing, which a quantized layer needs"
                            .formatted(all.values().iterator().next().file(), layer, suffix));
        }
        if (!List.of(typeNames).contains(tensor.typeName())) {
            throw new CheckpointException(
                    "%s: tensor %s has type %s, supported: %s"
                            .formatted(
                                    tensor.file(),
                                    tensor.storedName(),
                                    tensor.typeName(),
                                    List.of(typeNames)));
        }
        used.add(layer + suffix);
        return tensor;
    }

    Optional<StoredTensor> takeIfPresent(String suffix, String... typeNames) {
        return has(suffix) ? Optional.of(take(suffix, typeNames)) : Optional.empty();
    }

    /// Takes a part of plain floats of a shape.
    FloatRows floats(String suffix, long... shape) {
        StoredTensor tensor = take(suffix, "F32", "F16", "BF16");
        requireShape(tensor, shape);
        return floats(tensor);
    }

    /// Returns the rows of a tensor of plain floats.
    static FloatRows floats(StoredTensor tensor) {
        long columns = tensor.shape().isEmpty() ? 1 : tensor.shape().getLast();
        return new FloatRows(tensor.data(), tensor.type().orElseThrow(), columns, 1);
    }

    /// Takes a part that is a single f32.
    float scalar(String suffix) {
        StoredTensor tensor = take(suffix, "F32");
        if (tensor.data().byteSize() != 4) {
            throw wrongShape(tensor, "[] or [1]");
        }
        return floats(tensor).at(0);
    }

    static void requireShape(StoredTensor tensor, long... shape) {
        List<Long> expected = new ArrayList<>();
        for (long dimension : shape) {
            expected.add(dimension);
        }
        if (!tensor.shape().equals(expected)) {
            throw wrongShape(tensor, expected);
        }
    }

    static CheckpointException wrongShape(StoredTensor tensor, Object expected) {
        return new CheckpointException(
                "%s: tensor %s has shape %s, its layer needs %s"
                        .formatted(tensor.file(), tensor.storedName(), tensor.shape(), expected));
    }

    /// Returns a dimension of a matrix.
    static int size(StoredTensor tensor, int dimension) {
        if (tensor.shape().size() != 2 || tensor.shape().get(dimension) > Integer.MAX_VALUE) {
            throw wrongShape(tensor, "two dimensions below 2^31");
        }
        return tensor.shape().get(dimension).intValue();
    }

    /// Returns the layer as one tensor.
    static StoredTensor tensor(StoredTensor codes, QuantizedMatrix matrix) {
        return tensor(codes, matrix, matrix.type(), matrix);
    }

    /// Returns the layer as one tensor of another type.
    ///
    /// @param plain the same matrix in a plain type
    /// @param decoder of its elements in the other type
    static StoredTensor tensor(
            StoredTensor codes, QuantizedMatrix plain, TensorType type, WeightDecoder decoder) {
        List<Long> shape = List.of((long) plain.rows(), (long) plain.columns());
        return codes.decoded(plain.format(), type, shape, decoder);
    }
}
