// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.EmbeddingTable;

/// An embedding table on the device, in the type of the checkpoint.
///
/// @param skipped columns of the first stored block that precede the first column
record CudaEmbedding(
        CudaContext owner,
        DevicePointer pointer,
        TensorType type,
        int rows,
        int columns,
        long rowBytes,
        int skipped)
        implements EmbeddingTable {

    @Override
    public long bytes() {
        return rows * rowBytes;
    }

    @Override
    public boolean readsSource() {
        return false;
    }
}
