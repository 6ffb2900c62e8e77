// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import org.bytedeco.cuda.cudart.CUevent_st;

/// A point of a stream that can be asked, awaited, or waited for by another stream; [Cuda#destroy]
/// ends it. Recorded again it is the later point.
public record CudaEvent(CUevent_st handle) {}
