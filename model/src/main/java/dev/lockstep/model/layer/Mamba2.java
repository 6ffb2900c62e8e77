// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.ParallelFactors;
import dev.lockstep.checkpoint.StateConfig;
import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.LinearAttentionHeads;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.StateGates;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.ChosenRows;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Span;
import dev.lockstep.model.StateShard;
import dev.lockstep.model.Weights;
import java.util.List;
import java.util.Optional;

/// Mamba-2 (Dao and Gu 2024), cut by heads; the heads of a group share B and C:
///
/// ```
/// C, B, v = silu(convolution(input(x)))
/// step    = clamp(softplus(dt(x) + bias))
/// S       = e^(−e^A · step) · S + B ⊗ step · v
/// out     = output(norm((Cᵀ S + D · v) · silu(z(x))))       the norm over the heads of each group
/// ```
///
/// @param number of the layer among those that keep a state
/// @param input this rank's rows of C, B, v and z
/// @param gateInput this rank's rows of dt, twice
/// @param skip D of this rank's heads
/// @param norm over groups, which several ranks may share; empty for none
/// @param factors of input and projections; empty for none
public record Mamba2(
        Kernels kernels,
        StateShard shard,
        int number,
        LinearAttentionHeads heads,
        PackedWeight input,
        PackedWeight gateInput,
        Tensor taps,
        Optional<Tensor> tapBias,
        StateGates gates,
        Tensor skip,
        Optional<GroupNorm> norm,
        Optional<ParallelFactors> factors,
        Linear.RowParallel output)
        implements StateLayer {

    @Override
    public Tensor forward(ForwardStep step) {
        ActivationBuffers activations = step.activations();
        int channels = heads.columns();
        int values = heads.valueColumns();
        Tensor mixer = activations.mixer(step.tokens());
        Tensor cbv = mixer.columns(0, channels);
        Tensor out = mixer.columns(channels + values, channels + 2 * values);
        Tensor steps = activations.stateGates(step.tokens());
        Tensor inputs = shard.inputs(activations.states(), number);
        Tensor matrices = shard.matrices(activations.states(), number);

        kernels.matmul(step.x(), input, mixer.columns(0, channels + values));
        kernels.matmul(step.x(), gateInput, steps);
        factors.ifPresent(each -> scale(each, mixer, steps));
        kernels.decay(gates, steps);
        List<Rows> all = Rows.of(step.batch());
        for (Rows rows : all) {
            kernels.convolve(rows.batch(), inputs, taps, tapBias, rows.of(cbv));
        }
        kernels.activate(Activation.SILU, cbv, cbv);
        for (Rows rows : all) {
            kernels.linearAttention(
                    rows.batch(),
                    matrices,
                    heads,
                    rows.of(cbv),
                    rows.of(steps),
                    Optional.of(skip),
                    rows.of(out));
        }
        // C, B and v are not read any more.
        Tensor gated = mixer.columns(0, values);
        kernels.activateMultiply(
                Activation.SILU, mixer.columns(channels, channels + 2 * values), gated);
        norm.ifPresent(each -> each.apply(gated, activations));
        return output.forward(gated, activations);
    }

    /// Multiplies what the projections of `factor · x` gave.
    private void scale(ParallelFactors each, Tensor mixer, Tensor steps) {
        int keys = heads.keyColumns();
        int channels = heads.columns();
        int[] ends = {keys, 2 * keys, channels, channels + heads.valueColumns()};
        // C, B, v and z.
        int[] factor = {3, 2, 1, 0};
        for (int part = 0, from = 0; part < ends.length; from = ends[part++]) {
            double multiplier = each.stateIn() * each.projected().get(factor[part]);
            kernels.scale(mixer.columns(from, ends[part]), (float) multiplier);
        }
        kernels.scale(steps, (float) (each.stateIn() * each.projected().get(4)));
    }

    @Override
    public Optional<Tensor> bias() {
        return output.bias();
    }

    /// Loads `in_proj`, `conv1d`, `A_log`, `D`, `dt_bias`, `norm` and `out_proj`.
    ///
    /// @param prefix the prefix of the layer's tensors
    public static Mamba2 load(Weights weights, int layer, String prefix) {
        StateShard shard = StateShard.of(weights.config(), weights.shard()).orElseThrow();
        if (!(shard.config() instanceof StateConfig.Mamba2 config)) {
            throw new IllegalArgumentException("layers with a state of " + shard.config());
        }
        int hidden = weights.config().hiddenSize();
        int values = config.valueColumns();
        int channels = config.channels();
        int rows = values + channels + config.heads();
        OutputRows all = weights.linear(prefix + ".in_proj", rows, hidden);
        if (all.bias().isPresent()) {
            throw new IllegalArgumentException(
                    "tensor %s.in_proj.bias: a bias of Mamba's projection is not supported"
                            .formatted(prefix));
        }
        Span steps = shard.valueHeads().plus(values + channels);
        List<Span> own = channels(shard, config);
        List<Span> inputs =
                List.of(
                        own.get(0).plus(values),
                        own.get(1).plus(values),
                        own.get(2).plus(values),
                        shard.values());
        String conv = prefix + ".conv1d";
        return new Mamba2(
                weights.kernels(),
                shard,
                StateLayer.number(weights, layer),
                new LinearAttentionHeads(
                        LinearAttentionHeads.Rule.SUM,
                        shard.keyHeads().size(),
                        shard.valueHeads().size(),
                        config.stateSize(),
                        config.headSize(),
                        config.group(),
                        shard.keyOffset()),
                weights.packRows(ChosenRows.of(all.matrix(), inputs)),
                weights.packRows(ChosenRows.of(all.matrix(), List.of(steps, steps))),
                weights.taps(conv + ".weight", channels, config.taps(), own.toArray(new Span[0])),
                weights.has(conv + ".bias")
                        ? Optional.of(weights.vector(conv + ".bias", channels, own))
                        : Optional.empty(),
                gates(weights, prefix, config, shard),
                weights.vector(prefix + ".D", config.heads(), shard.valueHeads(), 0),
                config.normed()
                        ? Optional.of(GroupNorm.load(weights, prefix + ".norm", shard, config))
                        : Optional.empty(),
                config.parallel(),
                Linear.RowParallel.load(
                        weights,
                        weights.linear(prefix + ".out_proj", hidden, values),
                        shard.values()));
    }

    /// Returns this rank's channels of the convolution, C and B first; in the file they are v, B
    /// and C.
    private static List<Span> channels(StateShard shard, StateConfig.Mamba2 config) {
        Span keys = shard.keyHeads().times(config.stateSize());
        int first = config.valueColumns();
        return List.of(
                keys.plus(first + config.groups() * config.stateSize()),
                keys.plus(first),
                shard.values());
    }

    private static StateGates gates(
            Weights weights, String prefix, StateConfig.Mamba2 config, StateShard shard) {
        return new StateGates(
                StateLayer.rates(weights, prefix, config.heads(), shard.valueHeads()),
                weights.vector(prefix + ".dt_bias", config.heads(), shard.valueHeads(), 0),
                (float) config.leastStep(),
                (float) config.mostStep(),
                true);
    }
}
