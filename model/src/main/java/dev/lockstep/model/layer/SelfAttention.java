// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.AttentionConfig;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.RowOrder;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.KvScales;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.ChosenRows;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.ArrayList;
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
/// @param queryScale a factor of the queries by their position
/// @param rotary has no dimensions if positions are not rotary, or not in this layer
/// @param rotatedNorm norms after the rotation instead of before it
/// @param kvScales with which keys and values are stored as FP8
/// @param sinks a score for each query head of this rank that has no value
public record SelfAttention(
        int kvGroup,
        int kvLayer,
        Linear.ColumnParallel qkv,
        Optional<QueryKeyNorm> norm,
        Optional<QueryScale> queryScale,
        RotaryTable rotary,
        Optional<RotatedNorm> rotatedNorm,
        Optional<KvScales> kvScales,
        Optional<Tensor> sinks,
        Linear.RowParallel output)
        implements ResidualBranch.Sublayer {

    /// Norms of q and k that follow the rotation.
    ///
    /// @param none a rotary table of no dimensions
    public record RotatedNorm(QueryKeyNorm norm, RotaryTable none) {}

    @Override
    public Tensor forward(ForwardStep step) {
        return output.forward(attend(step), step.activations());
    }

    /// Returns what the heads attend to, `[T, query columns]`, before the output projection.
    Tensor attend(ForwardStep step) {
        ActivationBuffers activations = step.activations();
        // Layers may differ in their heads.
        Tensor heads = activations.qkv(step.tokens()).columns(0, qkv.weight().rows());
        int queries = output.weight().columns();
        Tensor attended = activations.attended(step.tokens()).columns(0, queries);
        qkv.forward(step.x(), heads);
        if (norm.isPresent()) {
            normalize(norm.get(), heads, activations);
        }
        Tensor positions = step.batch().positions();
        if (queryScale.isPresent()) {
            queryScale.get().apply(heads.columns(0, queries), positions);
        }
        List<PagedAttention.Rows> all = step.attention().get(kvGroup);
        for (PagedAttention.Rows rows : all) {
            rows.store(kvLayer, heads, rotary, positions, kvScales);
        }
        if (rotatedNorm.isPresent()) {
            // Normed keys take the place of those that were stored when they were rotated.
            normalize(rotatedNorm.get().norm(), heads, activations);
            RotaryTable none = rotatedNorm.get().none();
            for (PagedAttention.Rows rows : all) {
                rows.store(kvLayer, heads, none, positions, kvScales);
            }
        }
        for (PagedAttention.Rows rows : all) {
            rows.attend(kvLayer, heads, kvScales, sinks, attended);
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
        each.applyToValues(heads.columns(queries + keys, heads.columns()));
    }

    /// Loads a layer with rotary positions from `q_proj`, `k_proj`, `v_proj` and `o_proj`.
    public static SelfAttention rotary(Weights weights, int layer, String attention) {
        return rotary(
                weights, layer, qkv(weights, attention), output(weights, attention + ".o_proj"));
    }

    /// Creates a layer with rotary positions, or without positions if the configuration names it
    /// among the layers without rope.
    public static SelfAttention rotary(
            Weights weights, int layer, Linear.ColumnParallel qkv, Linear.RowParallel output) {
        ModelConfig config = weights.config();
        RotaryTable rotary =
                config.details().positions().withoutRope().contains(layer)
                        ? weights.emptyRotaryTable()
                        : weights.rotaryTable(config.rope(layer));
        return of(weights, layer, qkv, rotary, output);
    }

    /// Creates a layer without positions.
    public static SelfAttention withoutPositions(
            Weights weights, int layer, Linear.ColumnParallel qkv, Linear.RowParallel output) {
        return of(weights, layer, qkv, weights.emptyRotaryTable(), output);
    }

    /// Returns this layer with norms of q and k.
    public SelfAttention with(QueryKeyNorm added) {
        return new SelfAttention(
                kvGroup,
                kvLayer,
                qkv,
                Optional.of(added),
                queryScale,
                rotary,
                rotatedNorm,
                kvScales,
                sinks,
                output);
    }

    /// Returns this layer with a factor of the queries by their position.
    public SelfAttention with(QueryScale added) {
        return new SelfAttention(
                kvGroup,
                kvLayer,
                qkv,
                norm,
                Optional.of(added),
                rotary,
                rotatedNorm,
                kvScales,
                sinks,
                output);
    }

    /// Returns this layer with norms of the rotated q and k.
    public SelfAttention withRotated(Weights weights, QueryKeyNorm added) {
        var norms = new RotatedNorm(added, weights.emptyRotaryTable());
        return new SelfAttention(
                kvGroup,
                kvLayer,
                qkv,
                norm,
                queryScale,
                rotary,
                Optional.of(norms),
                kvScales,
                sinks,
                output);
    }

    /// Returns this layer with sinks: scores that take their part of the softmax.
    ///
    /// @param name of a vector with a score for each query head
    public SelfAttention withSinks(Weights weights, String name) {
        Span own = weights.shard().queryHeads();
        int heads = weights.config().attention().headCount();
        Tensor scores = weights.vector(name, heads, own, 0);
        return new SelfAttention(
                kvGroup,
                kvLayer,
                qkv,
                norm,
                queryScale,
                rotary,
                rotatedNorm,
                kvScales,
                Optional.of(scores),
                output);
    }

    /// Loads `q_proj`, `k_proj` and `v_proj`.
    public static Linear.ColumnParallel qkv(Weights weights, String attention) {
        return qkv(weights, attention, new RowOrder.AsIs());
    }

    /// Loads `q_proj`, `k_proj` and `v_proj` of a family whose rope turns adjacent pairs: the rows
    /// of q and k are packed in the order of rotate-half, which changes no score.
    public static Linear.ColumnParallel qkvOfPairs(Weights weights, String attention) {
        return qkv(weights, attention, orderOfPairs(weights));
    }

    /// Returns the order of the rows of q and k that [#qkvOfPairs] loads.
    public static RowOrder orderOfPairs(Weights weights) {
        int rotary = weights.config().rope().rotaryDim();
        int headSize = weights.config().attention().headDim();
        return new RowOrder.AdjacentPairs(headSize, 0, rotary);
    }

    /// Loads three projections by their names.
    public static Linear.ColumnParallel qkv(
            Weights weights, String query, String key, String value) {
        return qkv(weights, query, key, value, new RowOrder.AsIs());
    }

    /// Loads the matrices of these names in a layer with heads of its own; keys may be values too.
    public static Linear.ColumnParallel qkv(
            Weights weights, AttentionConfig heads, String q, String k, String v) {
        int hidden = weights.config().hiddenSize();
        Span own = weights.shard().kvHeads(heads).times(heads.headDim());
        return Linear.ColumnParallel.load(
                weights,
                weights.linear(q, heads.queryWidth(), hidden)
                        .cut(weights.shard().queryHeads().times(heads.headDim())),
                weights.linear(k, heads.kvWidth(), hidden).cut(own),
                weights.linear(v, heads.kvWidth(), hidden).cut(own));
    }

    /// Loads the output projection of a layer with heads of its own.
    public static Linear.RowParallel output(Weights weights, AttentionConfig heads, String name) {
        return Linear.RowParallel.load(
                weights,
                weights.linear(name, weights.config().hiddenSize(), heads.queryWidth()),
                weights.shard().queryHeads().times(heads.headDim()));
    }

    private static Linear.ColumnParallel qkv(Weights weights, String attention, RowOrder order) {
        return qkv(
                weights,
                attention + ".q_proj",
                attention + ".k_proj",
                attention + ".v_proj",
                order);
    }

    private static Linear.ColumnParallel qkv(
            Weights weights, String query, String key, String value, RowOrder order) {
        AttentionConfig config = weights.config().attention();
        int hidden = weights.config().hiddenSize();
        return Linear.ColumnParallel.load(
                weights,
                weights.linear(query, config.queryWidth(), hidden)
                        .ordered(order)
                        .cut(queryColumns(weights)),
                weights.linear(key, config.kvWidth(), hidden)
                        .ordered(order)
                        .cut(keyColumns(weights)),
                weights.linear(value, config.kvWidth(), hidden).cut(keyColumns(weights)));
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

    /// Loads one matrix of the heads of each KV head in turn: its queries, its key, its value.
    public static Linear.ColumnParallel groupedQkv(Weights weights, String name) {
        AttentionConfig config = weights.config().attention();
        int size = config.headDim();
        int group = config.headCount() / config.kvHeadCount();
        int all = config.queryWidth() + 2 * config.kvWidth();
        List<Span> rows = new ArrayList<>();
        Span queries = weights.shard().queryHeads();
        for (int head = queries.from(); head < queries.to(); head++) {
            int place = head / group * (group + 2) + head % group;
            rows.add(new Span(place, place + 1).times(size));
        }
        for (int part = 0; part < 2; part++) {
            Span keys = weights.shard().kvHeads();
            for (int head = keys.from(); head < keys.to(); head++) {
                int place = head * (group + 2) + group + part;
                rows.add(new Span(place, place + 1).times(size));
            }
        }
        WeightMatrix matrix = weights.matrix(name + ".weight", all, weights.config().hiddenSize());
        return new Linear.ColumnParallel(
                weights.kernels(),
                weights.packRows(ChosenRows.of(matrix, rows)),
                weights.has(name + ".bias")
                        ? Optional.of(weights.vector(name + ".bias", all, rows))
                        : Optional.empty());
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
        int group = weights.keepingGroup(layer);
        return new SelfAttention(
                group,
                weights.config().pagedGroups().get(group).layers().indexOf(layer),
                qkv,
                Optional.empty(),
                Optional.empty(),
                rotary,
                Optional.empty(),
                weights.kvScales(layer),
                Optional.empty(),
                output);
    }

    private static Span queryColumns(Weights weights) {
        return weights.shard().queryHeads().times(weights.config().attention().headDim());
    }

    private static Span keyColumns(Weights weights) {
        return weights.shard().kvHeads().times(weights.config().attention().headDim());
    }
}
