// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import org.bytedeco.cuda.cudart.CUgraphExec_st;

/// What a stream captured, ready to be launched as one; [CudaGraphs#destroy] ends it. It holds the
/// addresses and parameters of the time of its capture.
public record CudaGraph(CUgraphExec_st handle) {}
