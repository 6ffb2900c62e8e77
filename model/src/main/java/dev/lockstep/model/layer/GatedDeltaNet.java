// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.StateConfig;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.LinearAttentionHeads;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.StateGates;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.ChosenRows;
import dev.lockstep.model.Span;
import dev.lockstep.model.StateShard;
import dev.lockstep.model.Weights;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// Gated delta net (Yang, Kautz and Hatamizadeh 2025), cut by value heads:
///
/// ```
/// q, k, v = silu(convolution(qkv(x)))
/// S       = e^(−e^A · softplus(a(x) + bias)) · S
/// S      += k̂ ⊗ sigmoid(b(x)) · (v − k̂ᵀ S)          q̂, k̂ of length 1
/// out     = output(norm(q̂ᵀ S / √key size) · silu(z(x)))
/// ```
///
/// @param number of the layer among those that keep a state
/// @param input this rank's rows of q, k, v and z
/// @param gateInput this rank's rows of b, then of a
/// @param queryNorm `1 / key size` for each dimension
/// @param keyNorm `1 / √key size` for each dimension
public record GatedDeltaNet(
        Kernels kernels,
        StateShard shard,
        int number,
        LinearAttentionHeads heads,
        PackedWeight input,
        PackedWeight gateInput,
        Tensor taps,
        StateGates gates,
        Tensor queryNorm,
        Tensor keyNorm,
        Tensor norm,
        float epsilon,
        Linear.RowParallel output)
        implements StateLayer {
    private static final double LENGTH_EPSILON = 1e-6;

    @Override
    public Tensor forward(ForwardStep step) {
        ActivationBuffers activations = step.activations();
        int channels = heads.columns();
        int values = heads.valueColumns();
        Tensor mixer = activations.mixer(step.tokens());
        Tensor qkv = mixer.columns(0, channels);
        Tensor out = mixer.columns(channels + values, channels + 2 * values);
        Tensor shares = activations.stateGates(step.tokens());
        Tensor inputs = shard.inputs(activations.states(), number);
        Tensor matrices = shard.matrices(activations.states(), number);

        kernels.matmul(step.x(), input, mixer.columns(0, channels + values));
        kernels.matmul(step.x(), gateInput, shares);
        kernels.decay(gates, shares);
        List<Rows> all = Rows.of(step.batch());
        for (Rows rows : all) {
            kernels.convolve(rows.batch(), inputs, taps, Optional.empty(), rows.of(qkv));
        }
        kernels.activate(Activation.SILU, qkv, qkv);
        normalize(qkv);
        for (Rows rows : all) {
            kernels.linearAttention(
                    rows.batch(),
                    matrices,
                    heads,
                    rows.of(qkv),
                    rows.of(shares),
                    Optional.empty(),
                    rows.of(out));
        }
        kernels.rmsNormHeads(out, norm, epsilon);
        // Queries, keys and values are not read any more.
        Tensor gated = mixer.columns(0, values);
        kernels.activateMultiply(
                Activation.SILU, mixer.columns(channels, channels + 2 * values), gated);
        return output.forward(gated, activations);
    }

    /// Gives each query the length `1 / √key size`, and each key the length 1.
    private void normalize(Tensor qkv) {
        int keys = heads.keyColumns();
        float small = (float) (LENGTH_EPSILON / heads.keySize());
        kernels.rmsNormHeads(qkv.columns(0, keys), queryNorm, small);
        kernels.rmsNormHeads(qkv.columns(keys, 2 * keys), keyNorm, small);
    }

    @Override
    public Optional<Tensor> bias() {
        return output.bias();
    }

    /// Loads `in_proj_qkvz`, which has the rows of each key head together, or `in_proj_qkv` and
    /// `in_proj_z`; `in_proj_ba`, or `in_proj_b` and `in_proj_a`; the convolution, the gates, the
    /// norm and `out_proj`.
    ///
    /// @param prefix the prefix of the layer's tensors
    public static GatedDeltaNet load(Weights weights, int layer, String prefix) {
        StateShard shard = shard(weights);
        var config = (StateConfig.GatedDelta) shard.config();
        return of(
                weights,
                layer,
                prefix,
                weights.has(prefix + ".in_proj_qkvz.weight")
                        ? weights.packRows(mergedInput(weights, prefix, shard, config))
                        : weights.packRows(separateInput(weights, prefix, shard, config)),
                weights.has(prefix + ".in_proj_ba.weight")
                        ? weights.packRows(mergedGates(weights, prefix, shard, config))
                        : weights.packRows(separateGates(weights, prefix, shard, config)));
    }

    private static ChosenRows mergedInput(
            Weights weights, String prefix, StateShard shard, StateConfig.GatedDelta config) {
        int group = config.group();
        int keySize = config.keySize();
        int valueSize = config.valueSize();
        int block = 2 * keySize + 2 * group * valueSize;
        WeightMatrix qkvz =
                weights.matrix(
                        prefix + ".in_proj_qkvz.weight",
                        config.keyHeads() * block,
                        weights.config().hiddenSize());
        List<Span> rows = new ArrayList<>();
        for (int part = 0; part < 2; part++) {
            for (int head : shard.keyHeads().numbers()) {
                rows.add(new Span(0, keySize).plus(head * block + part * keySize));
            }
        }
        for (int part = 0; part < 2; part++) {
            for (int head : shard.valueHeads().numbers()) {
                int first =
                        head / group * block
                                + 2 * keySize
                                + (part * group + head % group) * valueSize;
                rows.add(new Span(0, valueSize).plus(first));
            }
        }
        return ChosenRows.of(qkvz, rows);
    }

    private static ChosenRows mergedGates(
            Weights weights, String prefix, StateShard shard, StateConfig.GatedDelta config) {
        int group = config.group();
        WeightMatrix ba =
                weights.matrix(
                        prefix + ".in_proj_ba.weight",
                        2 * config.valueHeads(),
                        weights.config().hiddenSize());
        List<Span> rows = new ArrayList<>();
        for (int part = 0; part < 2; part++) {
            for (int head : shard.valueHeads().numbers()) {
                int gate = head / group * 2 * group + part * group + head % group;
                rows.add(new Span(gate, gate + 1));
            }
        }
        return ChosenRows.of(ba, rows);
    }

    private static ChosenRows[] separateInput(
            Weights weights, String prefix, StateShard shard, StateConfig.GatedDelta config) {
        int hidden = weights.config().hiddenSize();
        int keys = config.keyHeads() * config.keySize();
        int values = config.valueHeads() * config.valueSize();
        return new ChosenRows[] {
            ChosenRows.of(
                    weights.matrix(prefix + ".in_proj_qkv.weight", 2 * keys + values, hidden),
                    channels(shard, config)),
            ChosenRows.of(
                    weights.matrix(prefix + ".in_proj_z.weight", values, hidden),
                    List.of(shard.values()))
        };
    }

    private static ChosenRows[] separateGates(
            Weights weights, String prefix, StateShard shard, StateConfig.GatedDelta config) {
        int hidden = weights.config().hiddenSize();
        List<Span> own = List.of(shard.valueHeads());
        return new ChosenRows[] {
            ChosenRows.of(
                    weights.matrix(prefix + ".in_proj_b.weight", config.valueHeads(), hidden), own),
            ChosenRows.of(
                    weights.matrix(prefix + ".in_proj_a.weight", config.valueHeads(), hidden), own)
        };
    }

    private static StateShard shard(Weights weights) {
        StateShard shard = StateShard.of(weights.config(), weights.shard()).orElseThrow();
        if (!(shard.config() instanceof StateConfig.GatedDelta)) {
            throw new IllegalArgumentException("layers with a state of " + shard.config());
        }
        return shard;
    }

    /// Returns this rank's channels of the convolution: of queries, of keys, and of values.
    private static List<Span> channels(StateShard shard, StateConfig.GatedDelta config) {
        int keys = config.keyHeads() * config.keySize();
        Span own = shard.keyHeads().times(config.keySize());
        return List.of(own, own.plus(keys), shard.values().plus(2 * keys));
    }

    private static GatedDeltaNet of(
            Weights weights, int layer, String prefix, PackedWeight input, PackedWeight gateInput) {
        StateShard shard = shard(weights);
        var config = (StateConfig.GatedDelta) shard.config();
        int values = config.valueHeads() * config.valueSize();
        int channels = 2 * config.keyHeads() * config.keySize() + values;
        return new GatedDeltaNet(
                weights.kernels(),
                shard,
                StateLayer.number(weights, layer),
                new LinearAttentionHeads(
                        LinearAttentionHeads.Rule.DELTA,
                        shard.keyHeads().size(),
                        shard.valueHeads().size(),
                        config.keySize(),
                        config.valueSize(),
                        config.group(),
                        shard.keyOffset()),
                input,
                gateInput,
                weights.taps(
                        prefix + ".conv1d.weight",
                        channels,
                        config.taps(),
                        channels(shard, config).toArray(new Span[0])),
                gates(weights, prefix, config, shard),
                constant(weights, config.keySize(), 1.0 / config.keySize()),
                constant(weights, config.keySize(), 1 / Math.sqrt(config.keySize())),
                weights.vector(prefix + ".norm.weight", config.valueSize()),
                (float) weights.config().normEpsilon(),
                Linear.RowParallel.load(
                        weights,
                        weights.linear(prefix + ".out_proj", weights.config().hiddenSize(), values),
                        shard.values()));
    }

    private static StateGates gates(
            Weights weights, String prefix, StateConfig.GatedDelta config, StateShard shard) {
        return StateGates.ofDelta(
                StateLayer.rates(weights, prefix, config.valueHeads(), shard.valueHeads()),
                weights.vector(prefix + ".dt_bias", config.valueHeads(), shard.valueHeads(), 0));
    }

    private static Tensor constant(Weights weights, int size, double value) {
        float[] values = new float[size];
        Arrays.fill(values, (float) value);
        return weights.vector(values);
    }
}
