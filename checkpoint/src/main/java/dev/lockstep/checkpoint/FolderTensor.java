// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;

/// A tensor of a folder in the form in which it is written.
///
/// @param name its Hugging Face name
/// @param storedName its name in the file
/// @param shape outermost dimension first
record FolderTensor(
        String name, String storedName, String typeName, List<Long> shape, WeightMatrix matrix) {

    static FolderTensor asStored(FolderCheckpoint source, String name) {
        TensorInfo info = source.tensorInfo(name).orElseThrow();
        return new FolderTensor(
                name, info.storedName(), info.typeName(), info.shape(), source.tensor(name));
    }
}
