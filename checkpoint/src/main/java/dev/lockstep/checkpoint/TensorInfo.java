// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;

/// The description of one tensor of a checkpoint, whether or not its type is supported.
///
/// @param name its Hugging Face name
/// @param storedName its name in the file
/// @param typeName the name of its type in the file format
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
