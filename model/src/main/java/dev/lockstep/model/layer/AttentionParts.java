package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.DecoderDetails;
import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.RopeConfig;
import dev.lockstep.checkpoint.WeightSlice;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.RotaryFrequencies;
import dev.lockstep.model.Shard;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Makes attention layers from a checkpoint, cut by heads for one rank. Names are those of tensors,
/// without `.weight`; a bias is taken where the checkpoint has one. Lives while a model loads.
public final class AttentionParts {
    private final Weights weights;
    private final ModelConfig config;
    private final Shard shard;
    private final Kernels kernels;
    private final Map<Integer, KvLayer.Backend> backends = new HashMap<>();
    private final Map<RopeConfig, RotaryTable> rotaries = new HashMap<>();

    AttentionParts(Weights weights) {
        this.weights = weights;
        this.config = weights.config();
        this.shard = weights.shard();
        this.kernels = weights.kernels();
    }

    /// `q_proj`, `k_proj` and `v_proj`.
    public ColumnParallelLinear qkv(String attention) {
        int hidden = config.hiddenSize();
        int queries = config.attention().queryWidth();
        int keys = config.attention().kvWidth();
        return Linears.outputs(
                weights,
                weights.part(attention + ".q_proj", queries, hidden, queryColumns()),
                weights.part(attention + ".k_proj", keys, hidden, keyColumns()),
                weights.part(attention + ".v_proj", keys, hidden, keyColumns()));
    }

    /// One matrix with all queries, then all keys, then all values.
    public ColumnParallelLinear mergedQkv(String name) {
        return mergedQkv(name, weights.matrix(name + ".weight", qkvRows(), config.hiddenSize()));
    }

    /// The same from a matrix that was read in another way.
    public ColumnParallelLinear mergedQkv(String name, WeightSlice matrix) {
        int queries = config.attention().queryWidth();
        int keys = config.attention().kvWidth();
        OutputRows all = weights.part(name, matrix, queryColumns());
        return Linears.outputs(
                weights,
                all,
                all.at(keyColumns().plus(queries)),
                all.at(keyColumns().plus(queries + keys)));
    }

    /// Rows of a merged matrix.
    public int qkvRows() {
        return config.attention().queryWidth() + 2 * config.attention().kvWidth();
    }

    /// What follows the heads.
    public RowParallelLinear output(String name) {
        int hidden = config.hiddenSize();
        return output(
                name, weights.matrix(name + ".weight", hidden, config.attention().queryWidth()));
    }

    public RowParallelLinear output(String name, WeightSlice matrix) {
        return Linears.inputs(weights, name, matrix, queryColumns());
    }

    /// Norms of q and k, head by head, whose factors are the stored weights plus `added`.
    public HeadNorm headNorm(String attention, float added) {
        int size = config.attention().headDim();
        Span all = new Span(0, size);
        return new HeadNorm(
                kernels,
                weights.vector(attention + ".q_norm.weight", size, all, added),
                weights.vector(attention + ".k_norm.weight", size, all, added),
                (float) config.normEpsilon());
    }

    /// Norms of all of q and all of k.
    public VectorNorm vectorNorm(String attention) {
        int queries = config.attention().queryWidth();
        int keys = config.attention().kvWidth();
        return VectorNorm.of(
                kernels,
                config,
                shard,
                weights.vector(attention + ".q_norm.weight", queries, queryColumns(), 0),
                weights.vector(attention + ".k_norm.weight", keys, keyColumns(), 0));
    }

    /// A layer with rotary positions, added to the residual as it is.
    public SelfAttention rotary(int layer, ColumnParallelLinear qkv, RowParallelLinear output) {
        return rotary(layer, qkv, Optional.empty(), output, ResidualBranch.plain(output));
    }

    /// A layer with rotary positions.
    public SelfAttention rotary(
            int layer,
            ColumnParallelLinear qkv,
            Optional<QueryKeyNorm> norm,
            RowParallelLinear output,
            ResidualBranch branch) {
        return new SelfAttention(
                kvLayer(layer), qkv, norm, rotaryTable(config.rope(layer)), output, branch);
    }

    /// A layer that knows no positions.
    public SelfAttention withoutPositions(
            int layer, ColumnParallelLinear qkv, RowParallelLinear output) {
        float[][] none = new float[weights.maxPositions()][0];
        return new SelfAttention(
                kvLayer(layer),
                qkv,
                Optional.empty(),
                kernels.prepareRotary(none, none),
                output,
                ResidualBranch.plain(output));
    }

    private Span queryColumns() {
        return shard.queryHeads().times(config.attention().headDim());
    }

    private Span keyColumns() {
        return shard.kvHeads().times(config.attention().headDim());
    }

    private RotaryTable rotaryTable(RopeConfig rope) {
        int positions = weights.maxPositions();
        return rotaries.computeIfAbsent(
                rope,
                each -> {
                    RotaryFrequencies frequencies = RotaryFrequencies.of(each, positions);
                    return kernels.prepareRotary(
                            frequencies.cos(positions), frequencies.sin(positions));
                });
    }

    private KvLayer kvLayer(int layer) {
        List<KvGroup> groups = config.kvGroups();
        for (int group = 0; group < groups.size(); group++) {
            int index = groups.get(group).layers().indexOf(layer);
            if (index >= 0) {
                KvGroup own = groups.get(group);
                return new KvLayer(
                        backends.computeIfAbsent(group, number -> backend(number, own)), index);
            }
        }
        throw new IllegalArgumentException("layer " + layer + " is in no KV group");
    }

    private KvLayer.Backend backend(int number, KvGroup group) {
        DecoderDetails details = config.details();
        int headSize = config.attention().headDim();
        AttentionShape shape =
                new AttentionShape(
                        shard.kvHeadOf(config),
                        shard.kvHeads().size(),
                        headSize,
                        (float) details.attentionScale().orElse(1 / Math.sqrt(headSize)),
                        group.kind() == KvGroup.Kind.WINDOW
                                ? group.window()
                                : AttentionShape.NO_WINDOW,
                        (float) details.attentionCap().orElse(0));
        KvLayout layout = weights.kvLayout(group);
        return new KvLayer.Backend(
                kernels.attention(shape, layout),
                kernels.attention(shape, layout.ofOneLayer()),
                number);
    }
}
