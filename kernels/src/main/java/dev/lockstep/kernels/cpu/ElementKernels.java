// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.CheckedIndex;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.Xielu;
import java.lang.foreign.MemorySegment;

/// The drivers of the element-wise ops: they check sizes, then give each thread some rows.
final class ElementKernels {
    private final ElementOps ops;
    private final ThreadTeam team;

    ElementKernels(ElementOps ops, ThreadTeam team) {
        this.ops = ops;
        this.team = team;
    }

    void add(Tensor x, Tensor y) {
        x.require("x", DType.F32, x.rows(), x.columns());
        boolean one = y.rows() == 1;
        y.require("y", DType.F32, one ? 1 : x.rows(), x.columns());
        team.shareRows(
                x.rows(),
                x.columns(),
                (from, to) ->
                        ops.add(
                                address(x),
                                x.stride(),
                                address(y),
                                one ? 0 : y.stride(),
                                x.columns(),
                                from,
                                to));
    }

    void addGated(Tensor x, Tensor y, Tensor logits) {
        x.require("x", DType.F32, x.rows(), x.columns());
        y.require("y", DType.F32, x.rows(), x.columns());
        logits.require("logits", DType.F32, x.rows(), 1);
        team.shareRows(
                x.rows(),
                x.columns(),
                (from, to) ->
                        ops.addGated(
                                address(x),
                                x.stride(),
                                address(y),
                                y.stride(),
                                address(logits),
                                logits.stride(),
                                x.columns(),
                                from,
                                to));
    }

    void addOnHost(long x, long y, int count) {
        ops.add(x, 0, y, 0, count, 0, 1);
    }

    void copy(Tensor x, Tensor out) {
        out.require("out", x.type(), x.rows(), x.columns());
        long width = (long) x.columns() * x.type().bytes();
        for (int row = 0; row < x.rows(); row++) {
            MemorySegment.copy(
                    AllMemory.SEGMENT,
                    address(x.rows(row, row + 1)),
                    AllMemory.SEGMENT,
                    address(out.rows(row, row + 1)),
                    width);
        }
    }

    void clear(Tensor x) {
        long width = (long) x.columns() * x.type().bytes();
        for (int row = 0; row < x.rows(); row++) {
            AllMemory.SEGMENT.asSlice(address(x.rows(row, row + 1)), width).fill((byte) 0);
        }
    }

    void scale(Tensor x, float factor) {
        x.require("x", DType.F32, x.rows(), x.columns());
        team.shareRows(
                x.rows(),
                x.columns(),
                (from, to) -> ops.scale(address(x), x.stride(), factor, x.columns(), from, to));
    }

    void scaleRows(Tensor x, Tensor factors, Tensor positions) {
        x.require("x", DType.F32, x.rows(), x.columns());
        factors.require("factors", DType.F32, 1, factors.columns());
        positions.require("positions", DType.I32, 1, x.rows());
        for (int i = 0; i < x.rows(); i++) {
            int position = AllMemory.SEGMENT.get(AllMemory.INT, address(positions) + i * 4L);
            CheckedIndex.SCALED_POSITION.require(i, position, factors.columns());
        }
        team.shareRows(
                x.rows(),
                x.columns(),
                (from, to) ->
                        ops.scaleRows(
                                address(x),
                                x.stride(),
                                address(factors),
                                address(positions),
                                x.columns(),
                                from,
                                to));
    }

    void softCap(Tensor x, float cap) {
        x.require("x", DType.F32, x.rows(), x.columns());
        team.shareRows(
                x.rows(),
                20 * x.columns(),
                (from, to) -> ops.softCap(address(x), x.stride(), cap, x.columns(), from, to));
    }

    void xielu(Xielu xielu, Tensor x) {
        x.require("x", DType.F32, x.rows(), x.columns());
        team.shareRows(
                x.rows(),
                10 * x.columns(),
                (from, to) -> ops.xielu(xielu, address(x), x.stride(), x.columns(), from, to));
    }

    void activate(Activation activation, Tensor x, Tensor out) {
        if (activation == Activation.CLAMPED_SWIGLU) {
            throw activation.withoutUp();
        }
        x.require("x", DType.F32, out.rows(), out.columns());
        out.require("out", DType.F32, out.rows(), out.columns());
        team.shareRows(
                out.rows(),
                10 * out.columns(),
                (from, to) ->
                        ops.activate(
                                activation,
                                address(x),
                                x.stride(),
                                out.columns(),
                                address(out),
                                out.stride(),
                                from,
                                to));
    }

    void activateMultiply(Activation activation, Tensor gateUp, Tensor out) {
        gateUp.require("gateUp", DType.F32, out.rows(), 2 * out.columns());
        out.require("out", DType.F32, out.rows(), out.columns());
        team.shareRows(
                out.rows(),
                10 * out.columns(),
                (from, to) ->
                        ops.activateMultiply(
                                activation,
                                address(gateUp),
                                gateUp.stride(),
                                out.columns(),
                                address(out),
                                out.stride(),
                                from,
                                to));
    }

    private static long address(Tensor tensor) {
        return tensor.pointer().address();
    }
}
