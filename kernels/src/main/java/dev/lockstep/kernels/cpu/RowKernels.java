// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.CheckedIndex;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.Tensor;
import java.lang.foreign.MemorySegment;

/// The drivers of the row-wise ops: they check sizes, then give each thread some rows.
final class RowKernels {
    private final RowOps ops;
    private final ThreadTeam team;

    RowKernels(RowOps ops, ThreadTeam team) {
        this.ops = ops;
        this.team = team;
    }

    void embed(EmbeddingTable table, Tensor ids, Tensor out) {
        if (!(table instanceof CpuEmbedding embedding)) {
            throw new IllegalArgumentException("the embedding table was prepared by other kernels");
        }
        int tokens = ids.columns();
        ids.require("ids", DType.I32, 1, tokens);
        out.require("out", DType.F32, tokens, embedding.columns());
        requireAll(CheckedIndex.EMBEDDED_ID, ids, embedding.rows());
        team.shareRows(
                tokens,
                embedding.columns(),
                (from, to) ->
                        ops.embed(
                                embedding.data().address(),
                                embedding.type(),
                                embedding.rowBytes(),
                                embedding.columnBytes(),
                                embedding.skipped(),
                                embedding.columns(),
                                embedding.sourceRows().address(),
                                address(ids),
                                address(out),
                                out.stride(),
                                from,
                                to));
    }

    void rmsNorm(Tensor x, Tensor weight, float epsilon, Tensor out) {
        x.require("x", DType.F32, x.rows(), x.columns());
        weight.require("weight", DType.F32, 1, x.columns());
        out.require("out", DType.F32, x.rows(), x.columns());
        team.shareRows(
                x.rows(),
                2 * x.columns(),
                (from, to) ->
                        ops.rmsNorm(
                                address(x),
                                x.stride(),
                                address(weight),
                                x.columns(),
                                epsilon,
                                address(out),
                                out.stride(),
                                from,
                                to));
    }

    void addRmsNorm(Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out) {
        x.require("x", DType.F32, x.rows(), x.columns());
        residual.require("residual", DType.F32, x.rows(), x.columns());
        weight.require("weight", DType.F32, 1, x.columns());
        out.require("out", DType.F32, x.rows(), x.columns());
        team.shareRows(
                x.rows(),
                3 * x.columns(),
                (from, to) ->
                        ops.addRmsNorm(
                                address(x),
                                x.stride(),
                                address(residual),
                                residual.stride(),
                                address(weight),
                                x.columns(),
                                epsilon,
                                address(out),
                                out.stride(),
                                from,
                                to));
    }

    void rmsNormHeads(Tensor x, Tensor weight, float epsilon) {
        x.require("x", DType.F32, x.rows(), x.columns());
        int size = weight.columns();
        weight.require("weight", DType.F32, 1, size);
        if (x.columns() % size != 0) {
            throw new IllegalArgumentException(
                    "x has %d columns, not whole heads of %d".formatted(x.columns(), size));
        }
        team.shareRows(
                x.rows(),
                2 * x.columns(),
                (from, to) -> {
                    for (int head = 0; head < x.columns(); head += size) {
                        long at = address(x) + 4L * head;
                        ops.rmsNorm(
                                at,
                                x.stride(),
                                address(weight),
                                size,
                                epsilon,
                                at,
                                x.stride(),
                                from,
                                to);
                    }
                });
    }

    void squareSums(Tensor x, Tensor out) {
        x.require("x", DType.F32, x.rows(), x.columns());
        out.require("out", DType.F32, x.rows(), 1);
        team.shareRows(
                x.rows(),
                x.columns(),
                (from, to) ->
                        ops.squareSums(
                                address(x),
                                x.stride(),
                                x.columns(),
                                address(out),
                                out.stride(),
                                from,
                                to));
    }

    void normalizeBySums(Tensor x, Tensor sums, int count, Tensor weight, float epsilon) {
        x.require("x", DType.F32, x.rows(), x.columns());
        sums.require("sums", DType.F32, x.rows(), 1);
        weight.require("weight", DType.F32, 1, x.columns());
        team.shareRows(
                x.rows(),
                2 * x.columns(),
                (from, to) ->
                        ops.normalizeBySums(
                                address(x),
                                x.stride(),
                                address(sums),
                                sums.stride(),
                                count,
                                address(weight),
                                x.columns(),
                                epsilon,
                                from,
                                to));
    }

    void layerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor out) {
        x.require("x", DType.F32, x.rows(), x.columns());
        weight.require("weight", DType.F32, 1, x.columns());
        bias.require("bias", DType.F32, 1, x.columns());
        out.require("out", DType.F32, x.rows(), x.columns());
        team.shareRows(
                x.rows(),
                3 * x.columns(),
                (from, to) ->
                        ops.layerNorm(
                                address(x),
                                x.stride(),
                                address(weight),
                                address(bias),
                                x.columns(),
                                epsilon,
                                address(out),
                                out.stride(),
                                from,
                                to));
    }

    /// Copies rows, which C++ could not do faster.
    void gatherRows(Tensor x, Tensor rows, Tensor out) {
        rows.require("rows", DType.I32, 1, out.rows());
        out.require("out", x.type(), out.rows(), x.columns());
        requireAll(CheckedIndex.GATHERED_ROW, rows, x.rows());
        long width = (long) x.columns() * x.type().bytes();
        long from = (long) x.stride() * x.type().bytes();
        long to = (long) out.stride() * x.type().bytes();
        for (int i = 0; i < out.rows(); i++) {
            MemorySegment.copy(
                    AllMemory.SEGMENT,
                    address(x) + element(rows, i) * from,
                    AllMemory.SEGMENT,
                    address(out) + i * to,
                    width);
        }
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
        int limit = Math.toIntExact(out.elements());
        for (int i = 0; i < count; i++) {
            int index = element(indices, i);
            CheckedIndex.SCATTERED_INDEX.require(i, index, limit);
            if (index >= 0) {
                AllMemory.SEGMENT.set(AllMemory.INT, address(out) + 4L * index, element(values, i));
            }
        }
    }

    private static void requireAll(CheckedIndex checked, Tensor indices, int limit) {
        for (int i = 0; i < indices.columns(); i++) {
            checked.require(i, element(indices, i), limit);
        }
    }

    private static int element(Tensor indices, int i) {
        return AllMemory.SEGMENT.get(AllMemory.INT, address(indices) + i * 4L);
    }

    private static long address(Tensor tensor) {
        return tensor.pointer().address();
    }
}
