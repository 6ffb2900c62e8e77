// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.FLOAT;
import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.ExpertLayer;
import dev.lockstep.kernels.ExpertObserver;
import dev.lockstep.kernels.ExpertScratch;
import dev.lockstep.kernels.ExpertSet;
import dev.lockstep.kernels.ExpertWeights;
import dev.lockstep.kernels.ScratchNeed;
import dev.lockstep.kernels.Tensor;

/// The driver of a mixture of experts: expert by expert, it gathers the tokens, multiplies them and
/// adds the products to their sums. An expert without tokens is not read.
///
/// The kernels that created it close it.
final class CpuExperts implements AutoCloseable {
    private final Matmul matmul;
    private final RowKernels rows;
    private final ElementKernels elements;
    private final Runnable finished;
    private final CpuRouter router;
    private ExpertObserver observer = (_, _) -> {};
    private int mostPerToken;

    /// Creates the driver; `finished` runs after each part of an op, which may be most of a step.
    CpuExperts(
            Matmul matmul,
            RowKernels rows,
            ElementKernels elements,
            Runnable finished,
            CpuMemory memory) {
        this.matmul = matmul;
        this.rows = rows;
        this.elements = elements;
        this.finished = finished;
        router = new CpuRouter(memory);
    }

    private record Prepared(CpuExperts owner, ExpertLayer layer) implements ExpertSet {}

    ExpertSet prepare(ExpertLayer layer) {
        for (ExpertWeights expert : layer.experts()) {
            matmul.requireOwn(expert.gateUp());
            matmul.requireOwn(expert.down());
        }
        mostPerToken = Math.max(mostPerToken, layer.perToken());
        return new Prepared(this, layer);
    }

    void observe(ExpertObserver seeing) {
        observer = seeing;
    }

    /// Returns what the experts prepared until now need besides the products of their matrices.
    ScratchNeed scratchNeed(int maxTokens) {
        return router.scratchNeed(maxTokens, mostPerToken);
    }

    void run(ExpertSet set, Tensor x, Tensor routerLogits, ExpertScratch scratch, Tensor out) {
        if (!(set instanceof Prepared own) || own.owner() != this) {
            throw new IllegalArgumentException("the experts were prepared by other kernels");
        }
        ExpertLayer layer = own.layer();
        x.require("x", DType.F32, x.rows(), layer.hiddenSize());
        routerLogits.require("routerLogits", DType.F32, x.rows(), layer.experts().size());
        out.require("out", DType.F32, x.rows(), layer.hiddenSize());
        scratch.require(layer, DType.F32, x.rows());
        CpuRouting routing = router.route(routerLogits, layer.routing());
        finished.run();
        elements.clear(out);
        finished.run();
        for (int expert = 0; expert < layer.experts().size(); expert++) {
            if (routing.count(expert) > 0) {
                Tensor output = output(layer, expert, x, routing, scratch);
                addWeighted(output, routing, expert, layer.weighsInputs(), out);
                finished.run();
            }
        }
    }

    @Override
    public void close() {
        router.close();
    }

    private Tensor output(
            ExpertLayer layer, int expert, Tensor x, CpuRouting routing, ExpertScratch scratch) {
        ExpertWeights weights = layer.experts().get(expert);
        int count = routing.count(expert);
        Tensor input = scratch.input().rows(0, count);
        Tensor gateUp = scratch.gateUp().rows(0, count).columns(0, weights.gateUp().rows());
        Tensor product = scratch.product().rows(0, count);
        Tensor output = scratch.output().rows(0, count);
        rows.gatherRows(x, routing.rows(expert), input);
        if (layer.weighsInputs()) {
            for (int i = 0; i < count; i++) {
                elements.scale(input.rows(i, i + 1), routing.weight(expert, i));
            }
        }
        finished.run();
        observer.product(input, weights.gateUp());
        matmul.run(input, weights.gateUp(), gateUp);
        weights.gateUpBias().ifPresent(bias -> elements.add(gateUp, bias));
        finished.run();
        if (weights.isGated()) {
            elements.activateMultiply(layer.activation(), gateUp, product);
        } else {
            elements.activate(layer.activation(), gateUp, product);
        }
        finished.run();
        observer.product(product, weights.down());
        matmul.run(product, weights.down(), output);
        weights.downBias().ifPresent(bias -> elements.add(output, bias));
        finished.run();
        return output;
    }

    /// Computes `out[row] += weight · x[i]` for the tokens of an expert, with a weight of 1 if the
    /// inputs are weighted.
    private static void addWeighted(
            Tensor x, CpuRouting routing, int expert, boolean weighted, Tensor out) {
        for (int i = 0; i < x.rows(); i++) {
            float weight = weighted ? 1 : routing.weight(expert, i);
            long from = x.pointer().address() + 4L * i * x.stride();
            long to = out.pointer().address() + 4L * routing.row(expert, i) * out.stride();
            for (int c = 0; c < out.columns(); c++) {
                float sum = SEGMENT.get(FLOAT, to + 4L * c);
                SEGMENT.set(
                        FLOAT,
                        to + 4L * c,
                        Math.fma(weight, SEGMENT.get(FLOAT, from + 4L * c), sum));
            }
        }
    }
}
