package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.ExpertConfig;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.WeightSlice;
import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.model.ActivationNames;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Shard;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.ArrayList;
import java.util.List;

/// Makes feed-forwards from a checkpoint, cut by columns for one rank. Names are those of tensors,
/// without `.weight`; a bias is taken where the checkpoint has one. Lives while a model loads.
public final class FeedForwardParts {
    private final Weights weights;
    private final ModelConfig config;
    private final Shard shard;
    private final Kernels kernels;
    private final Activation activation;

    FeedForwardParts(Weights weights) {
        this.weights = weights;
        this.config = weights.config();
        this.shard = weights.shard();
        this.kernels = weights.kernels();
        this.activation = ActivationNames.of(config);
    }

    /// `gate_proj`, `up_proj` and `down_proj`, added to the residual as it is.
    public GatedMlp gated(String mlp) {
        RowParallelLinear down = down(mlp + ".down_proj");
        return gated(gateUp(mlp), down, ResidualBranch.plain(down));
    }

    public GatedMlp gated(
            ColumnParallelLinear gateUp, RowParallelLinear down, ResidualBranch branch) {
        return new GatedMlp(kernels, activation, gateUp, down, branch);
    }

    /// `gate_proj` and `up_proj`.
    public ColumnParallelLinear gateUp(String mlp) {
        int width = config.feedForwardSize();
        int hidden = config.hiddenSize();
        return Linears.outputs(
                weights,
                weights.part(mlp + ".gate_proj", width, hidden, shard.feedForward()),
                weights.part(mlp + ".up_proj", width, hidden, shard.feedForward()));
    }

    /// One matrix with the gate, then up.
    public ColumnParallelLinear mergedGateUp(String name) {
        int width = config.feedForwardSize();
        OutputRows gate = weights.part(name, 2 * width, config.hiddenSize(), shard.feedForward());
        return Linears.outputs(weights, gate, gate.at(shard.feedForward().plus(width)));
    }

    public RowParallelLinear down(String name) {
        WeightSlice matrix =
                weights.matrix(name + ".weight", config.hiddenSize(), config.feedForwardSize());
        return Linears.inputs(weights, name, matrix, shard.feedForward());
    }

    /// Two matrices with an activation between, added to the residual as they are.
    public Mlp plain(String up, String down) {
        int width = config.feedForwardSize();
        int hidden = config.hiddenSize();
        return plain(
                up,
                weights.matrix(up + ".weight", width, hidden),
                down,
                weights.matrix(down + ".weight", hidden, width));
    }

    /// The same from matrices that were read in another way.
    public Mlp plain(String up, WeightSlice upMatrix, String down, WeightSlice downMatrix) {
        RowParallelLinear output = Linears.inputs(weights, down, downMatrix, shard.feedForward());
        return new Mlp(
                kernels,
                activation,
                Linears.outputs(weights, weights.part(up, upMatrix, shard.feedForward())),
                output,
                ResidualBranch.plain(output));
    }

    /// A router and gated feed-forwards, added to the residual as they are.
    ///
    /// @param router rows are experts
    public MixtureOfExperts experts(String router, ExpertNames names) {
        ExpertConfig experts = config.details().experts().orElseThrow();
        int count = experts.count();
        WeightSlice routing = weights.matrix(router + ".weight", count, config.hiddenSize());
        List<MixtureOfExperts.Expert> made = new ArrayList<>();
        for (int expert = 0; expert < count; expert++) {
            made.add(expert(names, expert, count));
        }
        return new MixtureOfExperts(
                kernels,
                experts,
                activation,
                weights.rows(weights.segment(routing, new Span(0, count))),
                made,
                ResidualBranch.plain(kernels));
    }

    private MixtureOfExperts.Expert expert(ExpertNames names, int expert, int count) {
        int width = config.feedForwardSize();
        int hidden = config.hiddenSize();
        WeightSlice gate = matrix(names, names.gate(), expert, count, width, hidden);
        WeightSlice up = matrix(names, names.up(), expert, count, width, hidden);
        WeightSlice down = matrix(names, names.down(), expert, count, hidden, width);
        return new MixtureOfExperts.Expert(
                weights.rows(
                        weights.segment(gate, shard.feedForward()),
                        weights.segment(up, shard.feedForward())),
                weights.columns(down, shard.feedForward()));
    }

    private WeightSlice matrix(
            ExpertNames names, String part, int expert, int count, int rows, int columns) {
        if (weights.has(names.all(part))) {
            return weights.matrix(names.all(part), count * rows, columns)
                    .rows(expert * rows, (expert + 1) * rows);
        }
        return weights.matrix(names.one(part, expert), rows, columns);
    }
}
