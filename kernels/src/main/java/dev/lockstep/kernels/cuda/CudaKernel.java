// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import org.bytedeco.cuda.cudart.CUfunc_st;

/// A kernel of a [KernelImage], which takes one struct.
///
/// @param registers of a thread
/// @param sharedBytes the static shared memory of a block
/// @param localBytes the stack and the spilled registers of a thread
/// @param maxThreads the most threads of a block
public record CudaKernel(
        CUfunc_st handle,
        String name,
        int registers,
        int sharedBytes,
        int localBytes,
        int maxThreads) {}
