// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import org.bytedeco.cuda.cudart.CUlib_st;

/// Machine code that the driver has loaded; [Cuda#unload] ends it and its kernels.
public record KernelImage(CUlib_st handle) {}
