// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import org.bytedeco.cuda.cudart.CUgraphExec_st;
import org.bytedeco.cuda.cudart.CUgraph_st;
import org.bytedeco.cuda.global.cudart;

/// The driver's calls that capture what is enqueued to a stream as a graph, and launch it.
public final class CudaGraphs {
    private static final int SUCCESS = 0;
    private static final int CAPTURE_THREAD_LOCAL = 1;

    private final CudaErrors errors;

    CudaGraphs(CudaErrors errors) {
        this.errors = errors;
    }

    /// Lets `stream` collect what is enqueued instead of running it, until [#endCapture] by the
    /// same thread. In between this thread's waits, allocations and copies of memory that is not
    /// pinned fail.
    public void beginCapture(CudaStream stream) {
        errors.check(
                cudart.cuStreamBeginCapture(stream.handle(), CAPTURE_THREAD_LOCAL),
                "cuStreamBeginCapture");
    }

    /// Ends the capture; throws if anything in it was refused.
    public CudaGraph endCapture(CudaStream stream) {
        var graph = new CUgraph_st();
        errors.check(cudart.cuStreamEndCapture(stream.handle(), graph), "cuStreamEndCapture");
        try {
            var executable = new CUgraphExec_st();
            errors.check(cudart.cuGraphInstantiate(executable, graph, 0), "cuGraphInstantiate");
            return new CudaGraph(executable);
        } finally {
            errors.check(cudart.cuGraphDestroy(graph), "cuGraphDestroy");
        }
    }

    /// Ends a capture in which something failed and drops what it has collected.
    public void abandonCapture(CudaStream stream) {
        var graph = new CUgraph_st();
        if (cudart.cuStreamEndCapture(stream.handle(), graph) == SUCCESS && !graph.isNull()) {
            errors.check(cudart.cuGraphDestroy(graph), "cuGraphDestroy");
        }
    }

    /// Brings a graph to the device, so that its first launch costs no more than the others.
    public void upload(CudaGraph graph, CudaStream stream) {
        errors.check(cudart.cuGraphUpload(graph.handle(), stream.handle()), "cuGraphUpload");
    }

    public void launch(CudaGraph graph, CudaStream stream) {
        errors.check(cudart.cuGraphLaunch(graph.handle(), stream.handle()), "cuGraphLaunch");
    }

    public void destroy(CudaGraph graph) {
        errors.check(cudart.cuGraphExecDestroy(graph.handle()), "cuGraphExecDestroy");
    }
}
