// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.AttentionConfig;
import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.List;
import java.util.Optional;

/// Grouped-query self-attention over paged keys and values, cut by heads:
///
/// ```
/// q, k, v = qkv(x)
/// q, k    = rotary(norm(q)), rotary(norm(k))
/// out     = output(softmax(scale · q · kᵀ) · v)
/// ```
///
/// A layer is loaded from its two projections; names are those of tensors without `.weight`, and a
/// bias is loaded if the checkpoint has one. Scale, soft cap, window and rope are the
/// configuration's.
///
/// @param kvGroup the number of the KV group that stores the layer's keys and values
/// @param kvLayer the number of the layer in that group
/// @param qkv this rank's query rows, then its key rows, then its value rows
/// @param rotary has no dimensions if positions are not rotary
/// @param sinks a score for each query head of this rank that has no value
public record SelfAttention(
        int kvGroup,
        int kvLayer,
        Linear.ColumnParallel qkv,
        Optional<QueryKeyNorm> norm,
        RotaryTable rotary,
        Optional<Tensor> sinks,
        Linear.RowParallel output)
        implements ResidualBranch.Sublayer {

    @Override
    public Tensor forward(ForwardStep step) {
        return output.forward(attend(step), step.activations());
    }

    /// Returns what the heads attend to, `[T, query columns]`, before the output projection.
    Tensor attend(ForwardStep step) {
        ActivationBuffers activations = step.activations();
        Tensor heads = activations.qkv(step.tokens());
        Tensor attended = activations.attended(step.tokens());
        qkv.forward(step.x(), heads);
        norm.ifPresent(each -> normalize(each, heads, activations));
        for (PagedAttention.Rows rows : step.attention().get(kvGroup)) {
            rows.attend(kvLayer, heads, rotary, step.batch().positions(), sinks, attended);
        }
        return attended;
    }

    @Override
    public Optional<Tensor> bias() {
        return output.bias();
    }

    private void normalize(QueryKeyNorm each, Tensor heads, ActivationBuffers activations) {
        int queries = output.weight().columns();
        int keys = (heads.columns() - queries) / 2;
        each.apply(heads.columns(0, queries), heads.columns(queries, queries + keys), activations);
    }

    /// Loads a layer with rotary positions from `q_proj`, `k_proj`, `v_proj` and `o_proj`.
    public static SelfAttention rotary(Weights weights, int layer, String attention) {
        return rotary(
                weights, layer, qkv(weights, attention), output(weights, attention + ".o_proj"));
    }

    /// Creates a layer with rotary positions.
    public static SelfAttention rotary(
            Weights weights, int layer, Linear.ColumnParallel qkv, Linear.RowParallel output) {
        RotaryTable rotary = weights.rotaryTable(weights.config().rope(layer));
        return of(weights, layer, qkv, rotary, output);
    }

    /// Creates a layer without positions.
    public static SelfAttention withoutPositions(
            Weights weights, int layer, Linear.ColumnParallel qkv, Linear.RowParallel output) {
        return of(weights, layer, qkv, weights.emptyRotaryTable(), output);
    }

    /// Returns this layer with norms of q and k.
    public SelfAttention with(QueryKeyNorm added) {
        return new SelfAttention(kvGroup, kvLayer, qkv, Optional.of(added), rotary, sinks, output);
    }

    /// Returns this layer with sinks: scores that take their part of the softmax.
    ///
    /// @param name of a vector with a score for each query head
    public SelfAttention withSinks(Weights weights, String name) {
        Span own = weights.shard().queryHeads();
        int heads = weights.config().attention().headCount();
        Tensor scores = weights.vector(name, heads, own, 0);
        return new SelfAttention(kvGroup, kvLayer, qkv, norm, rotary, Optional.of(scores), output);
    }

    /// Loads `q_proj`, `k_proj` and `v_proj`.
    public static Linear.ColumnParallel qkv(Weights weights, String attention) {
        AttentionConfig config = weights.config().attention();
        int hidden = weights.config().hiddenSize();
        return Linear.ColumnParallel.load(
                weights,
                weights.linear(attention + ".q_proj", config.queryWidth(), hidden)
                        .cut(queryColumns(weights)),
                weights.linear(attention + ".k_proj", config.kvWidth(), hidden)
                        .cut(keyColumns(weights)),
                weights.linear(attention + ".v_proj", config.kvWidth(), hidden)
                        .cut(keyColumns(weights)));
    }

    /// Loads `q_proj`, `k_proj` and `v_proj` of a model that rotates adjacent dimensions of a head:
    /// their rows are moved to where rotate-half expects them, which changes no score.
    public static Linear.ColumnParallel qkvOfPairs(Weights weights, String attention) {
        AttentionConfig config = weights.config().attention();
        int hidden = weights.config().hiddenSize();
        return Linear.ColumnParallel.load(
                weights,
                weights.linear(attention + ".q_proj", config.queryWidth(), hidden)
                        .inPairs(config.headDim())
                        .cut(queryColumns(weights)),
                weights.linear(attention + ".k_proj", config.kvWidth(), hidden)
                        .inPairs(config.headDim())
                        .cut(keyColumns(weights)),
                weights.linear(attention + ".v_proj", config.kvWidth(), hidden)
                        .cut(keyColumns(weights)));
    }

    /// Loads one matrix of all queries, then all keys, then all values.
    public static Linear.ColumnParallel mergedQkv(Weights weights, String name) {
        AttentionConfig config = weights.config().attention();
        int rows = config.queryWidth() + 2 * config.kvWidth();
        return mergedQkv(weights, weights.linear(name, rows, weights.config().hiddenSize()));
    }

    /// Cuts one matrix of all queries, then all keys, then all values.
    public static Linear.ColumnParallel mergedQkv(Weights weights, OutputRows merged) {
        AttentionConfig config = weights.config().attention();
        Span keys = keyColumns(weights).plus(config.queryWidth());
        return Linear.ColumnParallel.load(
                weights,
                merged.cut(queryColumns(weights)),
                merged.cut(keys),
                merged.cut(keys.plus(config.kvWidth())));
    }

    /// Loads the output projection.
    public static Linear.RowParallel output(Weights weights, String name) {
        int width = weights.config().attention().queryWidth();
        return output(weights, weights.linear(name, weights.config().hiddenSize(), width));
    }

    /// Cuts the output projection.
    public static Linear.RowParallel output(Weights weights, OutputRows matrix) {
        return Linear.RowParallel.load(weights, matrix, queryColumns(weights));
    }

    private static SelfAttention of(
            Weights weights,
            int layer,
            Linear.ColumnParallel qkv,
            RotaryTable rotary,
            Linear.RowParallel output) {
        List<KvGroup> groups = weights.config().pagedGroups();
        for (int group = 0; group < groups.size(); group++) {
            int index = groups.get(group).layers().indexOf(layer);
            if (index >= 0) {
                return new SelfAttention(
                        group, index, qkv, Optional.empty(), rotary, Optional.empty(), output);
            }
        }
        throw new IllegalArgumentException("layer " + layer + " is in no KV group");
    }

    private static Span queryColumns(Weights weights) {
        return weights.shard().queryHeads().times(weights.config().attention().headDim());
    }

    private static Span keyColumns(Weights weights) {
        return weights.shard().kvHeads().times(weights.config().attention().headDim());
    }
}
