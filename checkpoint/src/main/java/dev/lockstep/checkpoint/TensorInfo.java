package dev.lockstep.checkpoint;

import java.util.List;

/// What a checkpoint says about one tensor, whether or not it can be computed with.
///
/// @param name its Hugging Face name
/// @param storedName its name in the file
/// @param typeName the file format's own name of its type
/// @param shape outermost dimension first
public record TensorInfo(
        String name, String storedName, String typeName, List<Long> shape, long byteSize) {

    public TensorInfo {
        shape = List.copyOf(shape);
    }

    public long valueCount() {
        return shape.stream().mapToLong(Long::longValue).reduce(1, Math::multiplyExact);
    }
}
