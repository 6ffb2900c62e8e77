// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.AttentionConfig;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ChosenRows;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Self-attention whose output is gated: `output(attended(x) · sigmoid(gate(x)))`.
///
/// @param gate this rank's rows, as many as queries
public record GatedAttention(Kernels kernels, SelfAttention attention, PackedWeight gate)
        implements ResidualBranch.Sublayer {

    @Override
    public Tensor forward(ForwardStep step) {
        Tensor gates = step.activations().mixer(step.tokens()).columns(0, gate.rows());
        kernels.matmul(step.x(), gate, gates);
        Tensor attended = attention.attend(step);
        kernels.multiply(attended, gates, true);
        return attention.output().forward(attended, step.activations());
    }

    @Override
    public Optional<Tensor> bias() {
        return attention.bias();
    }

    /// Loads a layer with rotary positions whose `q_proj` has the gate of each head after its
    /// query.
    public static GatedAttention rotary(
            Weights weights, int layer, String prefix, QueryKeyNorm norm) {
        AttentionConfig config = weights.config().attention();
        int hidden = weights.config().hiddenSize();
        int size = config.headDim();
        refuseBias(weights, prefix);
        WeightMatrix both =
                weights.matrix(prefix + ".q_proj.weight", 2 * config.queryWidth(), hidden);
        WeightMatrix keys = weights.matrix(prefix + ".k_proj.weight", config.kvWidth(), hidden);
        WeightMatrix values = weights.matrix(prefix + ".v_proj.weight", config.kvWidth(), hidden);
        List<Span> queryRows = new ArrayList<>();
        List<Span> gateRows = new ArrayList<>();
        for (int head : weights.shard().queryHeads().numbers()) {
            queryRows.add(new Span(0, size).plus(2 * head * size));
            gateRows.add(new Span(0, size).plus((2 * head + 1) * size));
        }
        List<Span> own = List.of(weights.shard().kvHeads().times(size));
        var qkv =
                new Linear.ColumnParallel(
                        weights.kernels(),
                        weights.packRows(
                                ChosenRows.of(both, queryRows),
                                ChosenRows.of(keys, own),
                                ChosenRows.of(values, own)),
                        Optional.empty());
        SelfAttention attention =
                SelfAttention.rotary(
                        weights, layer, qkv, SelfAttention.output(weights, prefix + ".o_proj"));
        return new GatedAttention(
                weights.kernels(),
                attention.with(norm),
                weights.packRows(ChosenRows.of(both, gateRows)));
    }

    private static void refuseBias(Weights weights, String prefix) {
        String bias = prefix + ".q_proj.bias";
        if (weights.has(bias)) {
            throw new IllegalArgumentException(
                    "tensor %s: gated attention with a bias is not supported".formatted(bias));
        }
    }
}
