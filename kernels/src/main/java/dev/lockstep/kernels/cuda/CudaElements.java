// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static dev.lockstep.kernels.cuda.KernelStruct.named;

import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.CheckedIndex;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.Xielu;
import java.util.List;

/// The element-wise ops: they check types and sizes and enqueue a kernel.
final class CudaElements {
    static final KernelDeclaration ADD =
            KernelDeclaration.of("add", named("AddParams").view("x").view("y"));
    static final KernelDeclaration ADD_GATED =
            KernelDeclaration.of(
                    "add_gated", named("AddGatedParams").view("x").view("y").view("logits"));
    static final KernelDeclaration COPY =
            KernelDeclaration.of("copy", named("CopyParams").view("x").view("out"));
    static final KernelDeclaration CLEAR =
            KernelDeclaration.of("clear", named("ClearParams").view("x"));
    static final KernelDeclaration SCALE =
            KernelDeclaration.of(
                    "scale", named("ScaleParams").view("x").f32("factor").i32("unused"));
    static final KernelDeclaration SCALE_ROWS =
            KernelDeclaration.of(
                    "scale_rows",
                    named("ScaleRowsParams")
                            .view("x")
                            .pointer("factors")
                            .pointer("positions")
                            .i64("count")
                            .report());
    static final KernelDeclaration SOFT_CAP =
            KernelDeclaration.of(
                    "soft_cap", named("SoftCapParams").view("x").f32("cap").i32("unused"));
    static final KernelDeclaration XIELU =
            KernelDeclaration.of(
                    "xielu",
                    named("XieluParams")
                            .view("x")
                            .f32("positive")
                            .f32("negative")
                            .f32("beta")
                            .f32("epsilon"));
    static final KernelDeclaration ACTIVATE =
            KernelDeclaration.of(
                    "activate",
                    named("ActivateParams").view("x").view("out").i32("kind").i32("unused"));
    static final KernelDeclaration ACTIVATE_MULTIPLY =
            KernelDeclaration.of(
                    "activate_multiply",
                    named("ActivateMultiplyParams")
                            .view("gate_up")
                            .view("out")
                            .i32("kind")
                            .i32("unused"));

    private final DType type;
    private final TypedOps add;
    private final CudaOp addFloats;
    private final CudaOp addGated;
    private final TypedOps copy;
    private final CudaOp copyFloats;
    private final TypedOps clear;
    private final TypedOps scale;
    private final CudaOp scaleRows;
    private final CudaOp softCap;
    private final CudaOp xielu;
    private final CudaOp activate;
    private final CudaOp activateMultiply;

    CudaElements(CudaContext context) {
        type = context.activationType();
        String ofActivations = "-DACTIVATION=" + type;
        CudaPrograms programs = context.programs();
        add = TypedOps.load(context, ADD, "ACTIVATION", "OTHER");
        addFloats = programs.op(ADD, ofActivations, "-DOTHER=F32");
        addGated = programs.op(ADD_GATED, ofActivations);
        copy = TypedOps.load(context, COPY, "FROM", "TO");
        copyFloats = programs.op(COPY, "-DFROM=F32", "-DTO=" + type);
        clear = TypedOps.load(context, CLEAR, "ACTIVATION");
        scale = TypedOps.load(context, SCALE, "ACTIVATION");
        scaleRows = programs.op(SCALE_ROWS, ofActivations);
        softCap = programs.op(SOFT_CAP, "-DACTIVATION=F32");
        xielu = programs.op(XIELU, ofActivations);
        activate = programs.op(ACTIVATE, ofActivations);
        activateMultiply = programs.op(ACTIVATE_MULTIPLY, ofActivations);
    }

    static List<KernelDeclaration> declarations() {
        return List.of(
                ADD,
                ADD_GATED,
                COPY,
                CLEAR,
                SCALE,
                SCALE_ROWS,
                SOFT_CAP,
                XIELU,
                ACTIVATE,
                ACTIVATE_MULTIPLY);
    }

    void add(Tensor x, Tensor y) {
        boolean one = y.rows() == 1;
        CudaOp same = add.of("x", x.type());
        boolean floats = one && y.type() == DType.F32 && x.type() != DType.F32;
        y.require("y", floats ? DType.F32 : x.type(), one ? 1 : x.rows(), x.columns());
        (floats ? addFloats : same).begin().view(x).view(y).launchTiles(x.rows(), x.columns());
    }

    void addGated(Tensor x, Tensor y, Tensor logits) {
        x.require("x", type, x.rows(), x.columns());
        y.require("y", type, x.rows(), x.columns());
        logits.require("logits", DType.F32, x.rows(), 1);
        addGated.begin().view(x).view(y).view(logits).launchTiles(x.rows(), x.columns());
    }

    void copy(Tensor x, Tensor out) {
        boolean rounded = x.type() == DType.F32 && out.type() == type;
        out.require("out", rounded ? type : x.type(), x.rows(), x.columns());
        (rounded ? copyFloats : copy.copying("x", x.type()))
                .begin()
                .view(x)
                .view(out)
                .launchTiles(x.rows(), x.columns());
    }

    void clear(Tensor x) {
        clear.copying("x", x.type()).begin().view(x).launchTiles(x.rows(), x.columns());
    }

    void scale(Tensor x, float factor) {
        scale.of("x", x.type())
                .begin()
                .view(x)
                .f32(factor)
                .i32(0)
                .launchTiles(x.rows(), x.columns());
    }

    void scaleRows(Tensor x, Tensor factors, Tensor positions) {
        x.require("x", type, x.rows(), x.columns());
        factors.require("factors", DType.F32, 1, factors.columns());
        positions.require("positions", DType.I32, 1, x.rows());
        scaleRows
                .begin()
                .view(x)
                .pointer(factors)
                .pointer(positions)
                .i64(factors.columns())
                .report(CheckedIndex.SCALED_POSITION)
                .launchTiles(x.rows(), x.columns());
    }

    void softCap(Tensor x, float cap) {
        x.require("x", DType.F32, x.rows(), x.columns());
        softCap.begin().view(x).f32(cap).i32(0).launchTiles(x.rows(), x.columns());
    }

    void xielu(Xielu xielu, Tensor x) {
        x.require("x", type, x.rows(), x.columns());
        this.xielu
                .begin()
                .view(x)
                .f32(xielu.positive())
                .f32(xielu.negative())
                .f32(xielu.beta())
                .f32(xielu.epsilon())
                .launchTiles(x.rows(), x.columns());
    }

    void activate(Activation activation, Tensor x, Tensor out) {
        if (activation == Activation.CLAMPED_SWIGLU) {
            throw activation.withoutUp();
        }
        x.require("x", type, out.rows(), out.columns());
        out.require("out", type, out.rows(), out.columns());
        activate.begin()
                .view(x)
                .view(out)
                .i32(KernelNumbers.of(activation))
                .i32(0)
                .launchTiles(out.rows(), out.columns());
    }

    void activateMultiply(Activation activation, Tensor gateUp, Tensor out) {
        gateUp.require("gateUp", type, out.rows(), 2 * out.columns());
        out.require("out", type, out.rows(), out.columns());
        activateMultiply
                .begin()
                .view(gateUp)
                .view(out)
                .i32(KernelNumbers.of(activation))
                .i32(0)
                .launchTiles(out.rows(), out.columns());
    }
}
