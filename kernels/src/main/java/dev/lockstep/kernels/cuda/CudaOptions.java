// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DType;
import java.nio.file.Path;

/// The device that a [CudaKernels] uses, and where it finds libraries and compiled kernels.
///
/// @param ordinal the number of the device among those this process sees
/// @param compute the type of weights and activations: F32 or BF16
/// @param cache a folder of this user's, for compiled kernels and Bytedeco's glue
/// @param nccl whether this process has other ranks to talk to
/// @param workspaceBytes the memory that products of matrices work in
public record CudaOptions(
        int ordinal,
        DType compute,
        LibrarySearch search,
        Path cache,
        boolean nccl,
        long workspaceBytes) {
    private static final long WORKSPACE = 32 << 20;

    public CudaOptions {
        if (compute != DType.F32 && compute != DType.BF16) {
            throw new IllegalArgumentException("compute is " + compute + ", must be F32 or BF16");
        }
        if (workspaceBytes < 1) {
            throw new IllegalArgumentException(
                    "workspaceBytes is %d, must be at least 1".formatted(workspaceBytes));
        }
    }

    /// Creates options with the usual workspace.
    public CudaOptions(int ordinal, DType compute, LibrarySearch search, Path cache, boolean nccl) {
        this(ordinal, compute, search, cache, nccl, WORKSPACE);
    }
}
