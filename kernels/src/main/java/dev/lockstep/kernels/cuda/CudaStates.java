// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static dev.lockstep.kernels.cuda.KernelStruct.named;

import dev.lockstep.kernels.CheckedIndex;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.LinearAttentionHeads;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.StateGates;
import dev.lockstep.kernels.Tensor;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// The ops over states of sequences: they check types and sizes and enqueue a kernel.
///
/// A state of linear attention is `[value columns, key size]`. Its kernels are made for keys of up
/// to a size, so that each holds a state in as many registers as it needs.
final class CudaStates {
    static final KernelStruct ROWS =
            named("StateRows")
                    .pointer("starts")
                    .pointer("computed")
                    .pointer("lines")
                    .view("states")
                    .i32("tokens")
                    .i32("unused")
                    .report();
    private static final KernelDeclaration CONVOLVE =
            KernelDeclaration.of(
                    "convolve",
                    named("ConvolveParams")
                            .struct("rows", ROWS)
                            .view("x")
                            .pointer("weight")
                            .pointer("bias")
                            .i32("taps")
                            .i32("unused"));
    private static final KernelDeclaration DECAY =
            KernelDeclaration.of(
                    "decay",
                    named("DecayParams")
                            .view("gates")
                            .pointer("rate")
                            .pointer("bias")
                            .f32("least")
                            .f32("most")
                            .i32("steps")
                            .i32("unused"));
    private static final KernelDeclaration MULTIPLY =
            KernelDeclaration.of(
                    "multiply",
                    named("MultiplyParams").view("x").view("y").i32("logistic").i32("unused"));
    private static final KernelStruct LINEAR_ATTENTION =
            named("LinearAttentionParams")
                    .struct("rows", ROWS)
                    .view("qkv")
                    .view("gates")
                    .pointer("skip")
                    .view("out")
                    .i32("key_heads")
                    .i32("value_heads")
                    .i32("key_size")
                    .i32("value_size")
                    .i32("group")
                    .i32("offset")
                    .i32("delta")
                    .i32("unused");

    /// The key sizes that kernels are made for: powers of 2.
    private static final int[] KEY_SIZES = {32, 64, 128, 256, DeviceCapabilities.MAX_CUDA_KEY};

    private static final int MAX_TAPS = 8;
    private static final int CHANNEL_THREADS = 64;
    private static final int ATTEND_THREADS = 128;

    private final DType type;
    private final CudaOp convolve;
    private final CudaOp decay;
    private final CudaOp multiply;
    private final List<CudaOp> attend;

    CudaStates(CudaContext context) {
        type = context.activationType();
        String ofActivations = "-DACTIVATION=" + type;
        CudaPrograms programs = context.programs();
        convolve = programs.op(CONVOLVE, ofActivations);
        decay = programs.op(DECAY);
        multiply = programs.op(MULTIPLY, ofActivations);
        attend =
                IntStream.of(KEY_SIZES)
                        .mapToObj(size -> programs.op(linearAttention(size), ofActivations))
                        .toList();
    }

    static List<KernelDeclaration> declarations() {
        return List.of(CONVOLVE, DECAY, MULTIPLY, linearAttention(KEY_SIZES[0]));
    }

    private static KernelDeclaration linearAttention(int keySize) {
        return new KernelDeclaration(
                "linear_attention", "linear_attention_" + keySize, LINEAR_ATTENTION);
    }

    void convolve(PagedBatch batch, Tensor states, Tensor weight, Optional<Tensor> bias, Tensor x) {
        int channels = x.columns();
        int taps = channels == 0 ? 0 : weight.columns() / channels;
        x.require("x", type, batch.tokens(), channels);
        if (taps < 1 || taps > MAX_TAPS) {
            throw new IllegalArgumentException(
                    "a convolution of %d taps, must be 1 to %d".formatted(taps, MAX_TAPS));
        }
        weight.require("weight", DType.F32, 1, taps * channels);
        bias.ifPresent(values -> values.require("bias", DType.F32, 1, channels));
        states.require("states", DType.F32, states.rows(), (taps - 1) * channels);
        if (batch.rows() > 0) {
            CudaOp op = rows(convolve.begin(), batch, states).view(x).pointer(weight);
            optional(op, bias)
                    .i32(taps)
                    .i32(0)
                    .launch(
                            Math.ceilDiv(channels, CHANNEL_THREADS),
                            batch.rows(),
                            1,
                            CHANNEL_THREADS);
        }
    }

    void decay(StateGates decay, Tensor gates) {
        int heads = decay.rate().columns();
        gates.require("gates", DType.F32, gates.rows(), 2 * heads);
        this.decay
                .begin()
                .view(gates)
                .pointer(decay.rate())
                .pointer(decay.bias())
                .f32(decay.least())
                .f32(decay.most())
                .i32(decay.steps() ? 1 : 0)
                .i32(0)
                .launchTiles(gates.rows(), heads);
    }

    void attend(
            PagedBatch batch,
            Tensor states,
            LinearAttentionHeads heads,
            Tensor qkv,
            Tensor gates,
            Optional<Tensor> skip,
            Tensor out) {
        qkv.require("qkv", type, batch.tokens(), heads.columns());
        gates.require("gates", DType.F32, batch.tokens(), 2 * heads.valueHeads());
        out.require("out", type, batch.tokens(), heads.valueColumns());
        states.require("states", DType.F32, states.rows(), heads.stateFloats());
        skip.ifPresent(values -> values.require("skip", DType.F32, 1, heads.valueHeads()));
        CudaOp op = attend(heads.keySize());
        if (batch.rows() > 0) {
            rows(op.begin(), batch, states).view(qkv).view(gates);
            optional(op, skip)
                    .view(out)
                    .i32(heads.keyHeads())
                    .i32(heads.valueHeads())
                    .i32(heads.keySize())
                    .i32(heads.valueSize())
                    .i32(heads.group())
                    .i32(heads.offset())
                    .i32(heads.rule() == LinearAttentionHeads.Rule.DELTA ? 1 : 0)
                    .i32(0)
                    .launch(
                            heads.valueColumns() / LinearAttentionHeads.TILE,
                            batch.rows(),
                            1,
                            ATTEND_THREADS);
        }
    }

    /// Returns the kernel of the least size that keys fit in.
    private CudaOp attend(int keySize) {
        for (int i = 0; i < KEY_SIZES.length; i++) {
            if (keySize <= KEY_SIZES[i]) {
                return attend.get(i);
            }
        }
        throw new IllegalArgumentException(
                "keys of %d in linear attention, must be 1 to %d on a GPU"
                        .formatted(keySize, DeviceCapabilities.MAX_CUDA_KEY));
    }

    void multiply(Tensor x, Tensor y, boolean logistic) {
        x.require("x", type, x.rows(), x.columns());
        y.require("y", type, x.rows(), y.columns() == 1 ? 1 : x.columns());
        multiply.begin()
                .view(x)
                .view(y)
                .i32(logistic ? 1 : 0)
                .i32(0)
                .launchTiles(x.rows(), x.columns());
    }

    private static CudaOp rows(CudaOp op, PagedBatch batch, Tensor states) {
        return op.pointer(batch.rowStarts())
                .pointer(batch.computed())
                .pointer(batch.lines())
                .view(states)
                .i32(batch.tokens())
                .i32(0)
                .report(CheckedIndex.STATE_LINE);
    }

    private static CudaOp optional(CudaOp op, Optional<Tensor> tensor) {
        return tensor.isPresent() ? op.pointer(tensor.get()) : op.nullPointer();
    }
}
