// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.Recording;

/// Ops that a stream captured as a graph.
final class CudaRecording implements Recording {
    private final CudaContext context;
    private final CudaGraph graph;
    private final long ops;

    private CudaRecording(CudaContext context, CudaGraph graph, long ops) {
        this.context = context;
        this.graph = graph;
        this.ops = ops;
    }

    /// Captures what `ops` enqueue.
    static CudaRecording of(CudaContext context, Runnable ops) {
        Cuda cuda = context.cuda();
        CudaStream stream = context.stream();
        context.guard().begin();
        try {
            context.progress().advance();
            cuda.graphs().beginCapture(stream);
            long before = context.progress().announced();
            long recorded;
            CudaGraph graph;
            try {
                ops.run();
                context.progress().advance();
                graph = cuda.graphs().endCapture(stream);
            } catch (Throwable failure) {
                context.progress().forget();
                cuda.graphs().abandonCapture(stream);
                throw failure;
            } finally {
                recorded = context.progress().announced() - before;
                context.progress().announce(-recorded);
            }
            var recording = new CudaRecording(context, graph, recorded);
            try {
                cuda.graphs().upload(graph, stream);
            } catch (CudaException failure) {
                recording.close();
                throw failure;
            }
            return recording;
        } finally {
            context.guard().end();
        }
    }

    @Override
    public void launch() {
        context.guard().refuse("a recording");
        context.cuda().graphs().launch(graph, context.stream());
        context.progress().announce(ops);
    }

    @Override
    public void close() {
        context.cuda().graphs().destroy(graph);
    }
}
