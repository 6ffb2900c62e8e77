// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static dev.lockstep.kernels.cuda.KernelStruct.named;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Tensor;
import java.util.List;

/// The ops over several residuals of a token: they check types and sizes and enqueue a kernel.
final class CudaResiduals {
    private static final String FILE = "residuals";
    private static final KernelDeclaration ADD_SCALED_ROWS =
            new KernelDeclaration(
                    FILE,
                    "add_scaled_rows",
                    named("AddScaledRowsParams").view("x").view("y").view("factors"));
    private static final KernelDeclaration SCALE_COLUMNS =
            new KernelDeclaration(
                    FILE,
                    "scale_columns",
                    named("ScaleColumnsParams").view("x").pointer("factors"));
    private static final KernelDeclaration MATCH_MAGNITUDE =
            new KernelDeclaration(
                    FILE,
                    "match_magnitude",
                    named("MatchMagnitudeParams")
                            .view("x")
                            .view("like")
                            .f32("least")
                            .i32("unused"));
    private static final KernelDeclaration MOMENTS =
            new KernelDeclaration(FILE, "moments", named("MomentsParams").view("x").view("out"));
    private static final KernelDeclaration KEEP_ABOVE =
            new KernelDeclaration(
                    FILE,
                    "keep_above",
                    named("KeepAboveParams")
                            .view("x")
                            .view("moments")
                            .i32("count")
                            .f32("deviations"));

    private final DType type;
    private final CudaOp addScaledRows;
    private final CudaOp scaleColumns;
    private final CudaOp matchMagnitude;
    private final CudaOp moments;
    private final CudaOp keepAbove;

    CudaResiduals(CudaContext context) {
        type = context.activationType();
        String ofActivations = "-DACTIVATION=" + type;
        CudaPrograms programs = context.programs();
        addScaledRows = programs.op(ADD_SCALED_ROWS, ofActivations);
        scaleColumns = programs.op(SCALE_COLUMNS, ofActivations);
        matchMagnitude = programs.op(MATCH_MAGNITUDE, ofActivations);
        moments = programs.op(MOMENTS, ofActivations);
        keepAbove = programs.op(KEEP_ABOVE, ofActivations);
    }

    static List<KernelDeclaration> declarations() {
        return List.of(ADD_SCALED_ROWS, SCALE_COLUMNS, MATCH_MAGNITUDE, MOMENTS, KEEP_ABOVE);
    }

    void addScaledRows(Tensor x, Tensor y, Tensor factors) {
        require(x);
        y.require("y", type, x.rows(), x.columns());
        factors.require("factors", DType.F32, x.rows(), 1);
        addScaledRows.begin().view(x).view(y).view(factors).launchTiles(x.rows(), x.columns());
    }

    void scaleColumns(Tensor x, Tensor factors) {
        require(x);
        factors.require("factors", DType.F32, 1, x.columns());
        scaleColumns.begin().view(x).pointer(factors).launchTiles(x.rows(), x.columns());
    }

    void matchMagnitude(Tensor x, Tensor like, float least) {
        require(x);
        like.require("like", type, x.rows(), x.columns());
        matchMagnitude
                .begin()
                .view(x)
                .view(like)
                .f32(least)
                .i32(0)
                .launchRows(x.rows(), x.columns());
    }

    void moments(Tensor x, Tensor out) {
        require(x);
        out.require("out", DType.F32, x.rows(), 2);
        moments.begin().view(x).view(out).launchRows(x.rows(), x.columns());
    }

    void keepAbove(Tensor x, Tensor moments, int count, float deviations) {
        require(x);
        moments.require("moments", DType.F32, x.rows(), 2);
        keepAbove
                .begin()
                .view(x)
                .view(moments)
                .i32(count)
                .f32(deviations)
                .launchTiles(x.rows(), x.columns());
    }

    private void require(Tensor x) {
        x.require("x", type, x.rows(), x.columns());
    }
}
