// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static dev.lockstep.kernels.cuda.KernelStruct.named;

import dev.lockstep.kernels.CheckedIndex;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.Tensor;
import java.util.List;

/// The row-wise ops: they check types and sizes and enqueue a kernel.
final class CudaRows {
    static final KernelDeclaration EMBED =
            KernelDeclaration.of(
                    "embed",
                    named("EmbedParams")
                            .pointer("table")
                            .i64("row_bytes")
                            .pointer("source_rows")
                            .i32("type")
                            .i32("skipped")
                            .pointer("ids")
                            .i64("rows")
                            .view("out")
                            .report());
    static final KernelDeclaration RMS_NORM =
            KernelDeclaration.of(
                    "rms_norm",
                    named("RmsNormParams")
                            .view("x")
                            .pointer("weight")
                            .view("out")
                            .f32("epsilon")
                            .i32("unused"));
    static final KernelDeclaration ADD_RMS_NORM =
            KernelDeclaration.of(
                    "add_rms_norm",
                    named("AddRmsNormParams")
                            .view("x")
                            .view("residual")
                            .pointer("weight")
                            .view("out")
                            .f32("epsilon")
                            .i32("unused"));
    static final KernelDeclaration RMS_NORM_HEADS =
            KernelDeclaration.of(
                    "rms_norm_heads",
                    named("RmsNormHeadsParams")
                            .view("x")
                            .pointer("weight")
                            .i32("head_size")
                            .f32("epsilon"));
    static final KernelDeclaration SQUARE_SUMS =
            KernelDeclaration.of("square_sums", named("SquareSumsParams").view("x").view("out"));
    static final KernelDeclaration NORMALIZE_BY_SUMS =
            KernelDeclaration.of(
                    "normalize_by_sums",
                    named("NormalizeBySumsParams")
                            .view("x")
                            .view("sums")
                            .pointer("weight")
                            .i32("count")
                            .f32("epsilon"));
    static final KernelDeclaration LAYER_NORM =
            KernelDeclaration.of(
                    "layer_norm",
                    named("LayerNormParams")
                            .view("x")
                            .pointer("weight")
                            .pointer("bias")
                            .view("out")
                            .f32("epsilon")
                            .i32("unused"));
    static final KernelDeclaration GATHER_ROWS =
            KernelDeclaration.of(
                    "gather_rows",
                    named("GatherRowsParams").view("x").pointer("rows").view("out").report());
    static final KernelDeclaration SCATTER =
            KernelDeclaration.of(
                    "scatter",
                    named("ScatterParams")
                            .view("table")
                            .pointer("indices")
                            .pointer("values")
                            .i64("count")
                            .report());

    private final CudaContext context;
    private final DType type;
    private final CudaOp embed;
    private final CudaOp rmsNorm;
    private final CudaOp addRmsNorm;
    private final CudaOp rmsNormHeads;
    private final CudaOp squareSums;
    private final CudaOp normalizeBySums;
    private final CudaOp layerNorm;
    private final TypedOps gatherRows;
    private final CudaOp scatter;

    CudaRows(CudaContext context) {
        this.context = context;
        type = context.activationType();
        embed = ofActivations(EMBED);
        rmsNorm = ofActivations(RMS_NORM);
        addRmsNorm = ofActivations(ADD_RMS_NORM);
        rmsNormHeads = ofActivations(RMS_NORM_HEADS);
        squareSums = ofActivations(SQUARE_SUMS);
        normalizeBySums = ofActivations(NORMALIZE_BY_SUMS);
        layerNorm = ofActivations(LAYER_NORM);
        gatherRows = TypedOps.load(context, GATHER_ROWS, "ACTIVATION");
        scatter = context.programs().op(SCATTER);
    }

    static List<KernelDeclaration> declarations() {
        return List.of(
                EMBED,
                RMS_NORM,
                ADD_RMS_NORM,
                RMS_NORM_HEADS,
                SQUARE_SUMS,
                NORMALIZE_BY_SUMS,
                LAYER_NORM,
                GATHER_ROWS,
                SCATTER);
    }

    private CudaOp ofActivations(KernelDeclaration kernel) {
        return context.programs().op(kernel, "-DACTIVATION=" + type);
    }

    void embed(EmbeddingTable table, Tensor ids, Tensor out) {
        if (!(table instanceof CudaEmbedding stored) || stored.owner() != context) {
            throw new IllegalArgumentException("the embedding table was prepared by other kernels");
        }
        int tokens = ids.columns();
        ids.require("ids", DType.I32, 1, tokens);
        out.require("out", type, tokens, stored.columns());
        embed.begin()
                .pointer(stored.pointer())
                .i64(stored.rowBytes())
                .nullPointer()
                .i32(KernelNumbers.of(stored.type()))
                .i32(stored.skipped())
                .pointer(ids)
                .i64(stored.rows())
                .view(out)
                .report(CheckedIndex.EMBEDDED_ID)
                .launchTiles(tokens, out.columns());
    }

    void rmsNorm(Tensor x, Tensor weight, float epsilon, Tensor out) {
        x.require("x", type, x.rows(), x.columns());
        weight.require("weight", DType.F32, 1, x.columns());
        out.require("out", type, x.rows(), x.columns());
        rmsNorm.begin()
                .view(x)
                .pointer(weight)
                .view(out)
                .f32(epsilon)
                .i32(0)
                .launchRows(x.rows(), x.columns());
    }

    void addRmsNorm(Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out) {
        x.require("x", type, x.rows(), x.columns());
        residual.require("residual", type, x.rows(), x.columns());
        weight.require("weight", DType.F32, 1, x.columns());
        out.require("out", type, x.rows(), x.columns());
        addRmsNorm
                .begin()
                .view(x)
                .view(residual)
                .pointer(weight)
                .view(out)
                .f32(epsilon)
                .i32(0)
                .launchRows(x.rows(), x.columns());
    }

    void rmsNormHeads(Tensor x, Tensor weight, float epsilon) {
        x.require("x", type, x.rows(), x.columns());
        int size = weight.columns();
        weight.require("weight", DType.F32, 1, size);
        if (size == 0 || x.columns() % size != 0) {
            throw new IllegalArgumentException(
                    "x has %d columns, not whole heads of %d".formatted(x.columns(), size));
        }
        if (x.elements() > 0) {
            rmsNormHeads
                    .begin()
                    .view(x)
                    .pointer(weight)
                    .i32(size)
                    .f32(epsilon)
                    .launch(x.rows(), x.columns() / size, 1, CudaOp.threads(size));
        }
    }

    void squareSums(Tensor x, Tensor out) {
        x.require("x", type, x.rows(), x.columns());
        out.require("out", DType.F32, x.rows(), 1);
        squareSums.begin().view(x).view(out).launchRows(x.rows(), x.columns());
    }

    void normalizeBySums(Tensor x, Tensor sums, int count, Tensor weight, float epsilon) {
        x.require("x", type, x.rows(), x.columns());
        sums.require("sums", DType.F32, x.rows(), 1);
        weight.require("weight", DType.F32, 1, x.columns());
        normalizeBySums
                .begin()
                .view(x)
                .view(sums)
                .pointer(weight)
                .i32(count)
                .f32(epsilon)
                .launchRows(x.rows(), x.columns());
    }

    void layerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor out) {
        x.require("x", type, x.rows(), x.columns());
        weight.require("weight", DType.F32, 1, x.columns());
        bias.require("bias", DType.F32, 1, x.columns());
        out.require("out", type, x.rows(), x.columns());
        layerNorm
                .begin()
                .view(x)
                .pointer(weight)
                .pointer(bias)
                .view(out)
                .f32(epsilon)
                .i32(0)
                .launchRows(x.rows(), x.columns());
    }

    void gatherRows(Tensor x, Tensor rows, Tensor out) {
        rows.require("rows", DType.I32, 1, out.rows());
        out.require("out", x.type(), out.rows(), x.columns());
        gatherRows
                .copying("x", x.type())
                .begin()
                .view(x)
                .pointer(rows)
                .view(out)
                .report(CheckedIndex.GATHERED_ROW)
                .launchTiles(out.rows(), out.columns());
    }

    void scatter(Tensor indices, Tensor values, Tensor out) {
        int count = indices.columns();
        indices.require("indices", DType.I32, 1, count);
        values.require("values", DType.I32, 1, count);
        out.require("out", DType.I32, out.rows(), out.columns());
        if (!out.isDense()) {
            throw new IllegalArgumentException(
                    "out has rows of %d, %d apart".formatted(out.columns(), out.stride()));
        }
        scatter.begin()
                .view(out)
                .pointer(indices)
                .pointer(values)
                .i64(count)
                .report(CheckedIndex.SCATTERED_INDEX)
                .launchThreads(count);
    }
}
