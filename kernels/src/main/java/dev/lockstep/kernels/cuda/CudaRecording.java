// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.Recording;

/// Ops that a stream captured as a graph.
final class CudaRecording implements Recording {
    private final CudaContext context;
    private final CudaGraph graph;

    private CudaRecording(CudaContext context, CudaGraph graph) {
        this.context = context;
        this.graph = graph;
    }

    /// Captures what `ops` enqueue.
    static CudaRecording of(CudaContext context, Runnable ops) {
        Cuda cuda = context.cuda();
        CudaStream stream = context.stream();
        context.guard().begin();
        try {
            context.progress().advance();
            cuda.beginCapture(stream);
            CudaGraph graph;
            try {
                ops.run();
                context.progress().advance();
            } catch (Throwable failure) {
                cuda.abandonCapture(stream);
                throw failure;
            }
            graph = cuda.endCapture(stream);
            cuda.upload(graph, stream);
            return new CudaRecording(context, graph);
        } catch (CudaException failure) {
            throw failure.orLost();
        } finally {
            context.guard().end();
        }
    }

    @Override
    public void launch() {
        context.guard().refuse("a recording");
        try {
            context.cuda().launch(graph, context.stream());
        } catch (CudaException failure) {
            throw failure.orLost();
        }
    }

    @Override
    public void close() {
        context.cuda().destroy(graph);
    }
}
