// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.CheckedIndex;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.LinearAttentionHeads;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.StateGates;
import dev.lockstep.kernels.Tensor;
import java.util.Optional;

/// The drivers of the ops over states: they check sizes and lines, then give each thread some
/// channels or columns of every row, so that long rows and short ones are shared alike.
final class StateKernels {
    private final StateOps ops;
    private final ThreadTeam team;

    StateKernels(StateOps ops, ThreadTeam team) {
        this.ops = ops;
        this.team = team;
    }

    void convolve(PagedBatch batch, Tensor states, Tensor weight, Optional<Tensor> bias, Tensor x) {
        int columns = x.columns();
        int taps = columns == 0 ? 0 : weight.columns() / columns;
        x.require("x", DType.F32, batch.tokens(), columns);
        if (taps < 1 || taps > StateOps.MAX_TAPS) {
            throw new IllegalArgumentException(
                    "a convolution of %d taps, must be 1 to %d".formatted(taps, StateOps.MAX_TAPS));
        }
        weight.require("weight", DType.F32, 1, taps * columns);
        bias.ifPresent(values -> values.require("bias", DType.F32, 1, columns));
        states.require("states", DType.F32, states.rows(), (taps - 1) * columns);
        StateOps.Rows rows = rows(batch, states);
        long added = bias.map(StateKernels::address).orElse(0L);
        team.shareRows(
                Math.ceilDiv(columns, LinearAttentionHeads.TILE),
                batch.tokens() * taps * LinearAttentionHeads.TILE,
                (from, to) ->
                        ops.convolve(
                                rows,
                                states(states),
                                address(x),
                                x.stride(),
                                columns,
                                address(weight),
                                added,
                                taps,
                                from,
                                to));
    }

    void decay(StateGates decay, Tensor gates) {
        int heads = decay.rate().columns();
        gates.require("gates", DType.F32, gates.rows(), 2 * heads);
        team.shareRows(
                gates.rows(),
                60 * heads,
                (from, to) ->
                        ops.decay(
                                address(gates),
                                gates.stride(),
                                heads,
                                address(decay.rate()),
                                address(decay.bias()),
                                decay.least(),
                                decay.most(),
                                decay.steps(),
                                from,
                                to));
    }

    void attend(
            PagedBatch batch,
            Tensor states,
            LinearAttentionHeads heads,
            Tensor qkv,
            Tensor gates,
            Optional<Tensor> skip,
            Tensor out) {
        qkv.require("qkv", DType.F32, batch.tokens(), heads.columns());
        gates.require("gates", DType.F32, batch.tokens(), 2 * heads.valueHeads());
        out.require("out", DType.F32, batch.tokens(), heads.valueColumns());
        states.require("states", DType.F32, states.rows(), heads.stateFloats());
        skip.ifPresent(values -> values.require("skip", DType.F32, 1, heads.valueHeads()));
        StateOps.Rows rows = rows(batch, states);
        long skipped = skip.map(StateKernels::address).orElse(0L);
        team.shareRows(
                heads.valueColumns() / LinearAttentionHeads.TILE,
                3 * batch.tokens() * heads.keySize() * LinearAttentionHeads.TILE,
                (from, to) ->
                        ops.attend(
                                rows,
                                states(states),
                                heads,
                                address(qkv),
                                qkv.stride(),
                                address(gates),
                                gates.stride(),
                                skipped,
                                address(out),
                                out.stride(),
                                from,
                                to));
    }

    void multiply(Tensor x, Tensor y, boolean gated) {
        int factors = y.columns() == 1 ? 1 : x.columns();
        x.require("x", DType.F32, x.rows(), x.columns());
        y.require("y", DType.F32, x.rows(), factors);
        team.shareRows(
                x.rows(),
                (gated ? 10 : 1) * x.columns(),
                (from, to) ->
                        ops.multiply(
                                address(x),
                                x.stride(),
                                x.columns(),
                                address(y),
                                y.stride(),
                                factors,
                                gated,
                                from,
                                to));
    }

    private static StateOps.Rows rows(PagedBatch batch, Tensor states) {
        for (int row = 0; row < batch.rows(); row++) {
            int line = AllMemory.SEGMENT.get(AllMemory.INT, address(batch.lines()) + 4L * row);
            CheckedIndex.STATE_LINE.require(row, line, states.rows());
        }
        return new StateOps.Rows(
                batch.rows(),
                address(batch.rowStarts()),
                address(batch.computed()),
                address(batch.lines()));
    }

    private static StateOps.States states(Tensor states) {
        return new StateOps.States(address(states), states.stride());
    }

    private static long address(Tensor tensor) {
        return tensor.pointer().address();
    }
}
