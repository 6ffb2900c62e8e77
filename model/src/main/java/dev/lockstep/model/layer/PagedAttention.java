// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.AttentionConfig;
import dev.lockstep.checkpoint.DecoderDetails;
import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionPlan;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.ExpandedAttention;
import dev.lockstep.kernels.ExpandedHeads;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.KvScales;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.ForwardBatch;
import dev.lockstep.model.LatentExpansion;
import dev.lockstep.model.Shard;
import dev.lockstep.model.Weights;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Attention over the blocks of one KV group, shared by the layers of the group.
///
/// @param kvGroup the number of the KV group
/// @param withKv for rows that keep their keys and values: over all layers of the group
/// @param withoutKv for rows that keep none: over one layer
/// @param expanded for expanded rows of both, where heads share a latent
record PagedAttention(
        int kvGroup,
        AttentionBackend withKv,
        AttentionBackend withoutKv,
        Optional<ExpandedAttention> expanded) {

    /// Creates the attention of each KV group, in the model's order.
    static List<PagedAttention> load(Weights weights) {
        List<KvGroup> groups = weights.config().pagedGroups();
        List<PagedAttention> attention = new ArrayList<>();
        for (int number = 0; number < groups.size(); number++) {
            KvGroup group = groups.get(number);
            AttentionShape shape = shape(weights.config(), weights.shard(), group);
            KvLayout layout = weights.kvLayout(group);
            attention.add(
                    new PagedAttention(
                            number,
                            weights.kernels().attention(shape, layout),
                            weights.kernels().attention(shape, layout.ofOneLayer()),
                            expanded(weights, shape, layout)));
        }
        return List.copyOf(attention);
    }

    private static Optional<ExpandedAttention> expanded(
            Weights weights, AttentionShape shape, KvLayout layout) {
        if (weights.config().attention().latent().isEmpty()) {
            return Optional.empty();
        }
        ExpandedHeads heads =
                LatentExpansion.heads(weights.config(), weights.shard(), shape.scale());
        return weights.kernels().expandedAttention(heads, layout);
    }

    private static AttentionShape shape(ModelConfig config, Shard shard, KvGroup group) {
        DecoderDetails details = config.details();
        AttentionConfig heads = config.attention().of(group);
        int headSize = heads.headDim();
        boolean windowed = group.kind() == KvGroup.Kind.WINDOW;
        int window = group.window() > 0 ? group.window() : AttentionShape.NO_WINDOW;
        int ahead = windowed ? window - 1 : AttentionShape.NO_WINDOW;
        return new AttentionShape(
                shard.kvHeadOf(heads),
                shard.kvHeads(heads).size(),
                headSize,
                (float) details.attentionScale().orElse(1 / Math.sqrt(headSize)),
                window,
                details.encoder().isEmpty() ? 0 : ahead,
                (float) details.attentionCap().orElse(0),
                group.kind() == KvGroup.Kind.CHUNK);
    }

    /// Plans one step for every layer of the group.
    ///
    /// @param kv the blocks of each KV group
    List<Rows> plan(ForwardBatch batch, List<PagedKv> kv, ActivationBuffers activations) {
        List<Rows> planned = new ArrayList<>();
        PagedBatch kept = batch.kv().get(kvGroup);
        if (kept.tokens() > 0) {
            planned.add(new Rows(withKv, withKv.plan(kept), expanded, kv.get(kvGroup), 0, true));
        }
        if (batch.withoutKv().isPresent()) {
            AttentionPlan plan = withoutKv.plan(batch.withoutKv().get());
            PagedKv blocks = activations.stepKv(kvGroup);
            planned.add(new Rows(withoutKv, plan, expanded, blocks, kept.tokens(), false));
        }
        return planned;
    }

    /// Consecutive rows of a step whose keys and values are in the same blocks.
    ///
    /// @param firstToken the first token of the rows in the step
    /// @param kept whether the blocks hold every layer of the group; if not, all layers use the
    ///   place of the first, one after the other, and the last that stores leaves it to the readers
    record Rows(
            AttentionBackend backend,
            AttentionPlan plan,
            Optional<ExpandedAttention> expanded,
            PagedKv blocks,
            int firstToken,
            boolean kept) {

        /// Rotates queries and keys, stores keys and values without scales, and attends; reads and
        /// writes only the tokens of these rows.
        ///
        /// @param kvLayer the number of the layer in the KV group
        /// @param heads `[T, q + k + v columns]`
        /// @param sinks of the layer's heads
        /// @param out `[T, q columns]`
        void attend(
                int kvLayer,
                Tensor heads,
                RotaryTable rotary,
                Tensor positions,
                Optional<Tensor> sinks,
                Tensor out) {
            store(kvLayer, heads, rotary, positions, Optional.empty());
            attend(kvLayer, heads, Optional.empty(), sinks, out);
        }

        /// Rotates queries and keys, and stores keys and values.
        ///
        /// @param scales of the layer, where the blocks hold FP8
        void store(
                int kvLayer,
                Tensor heads,
                RotaryTable rotary,
                Tensor positions,
                Optional<KvScales> scales) {
            int end = end();
            backend.rotateAndStore(
                    plan,
                    heads.rows(firstToken, end),
                    rotary,
                    positions.columns(firstToken, end),
                    blocks,
                    kept ? kvLayer : 0,
                    scales);
        }

        /// Rotates queries alone, of a layer that attends to what an earlier one stored.
        void rotateQueries(Tensor heads, RotaryTable rotary, Tensor positions) {
            int end = end();
            Tensor own = heads.rows(firstToken, end);
            backend.rotateQueries(plan, own, rotary, positions.columns(firstToken, end));
        }

        /// Returns the end of the expanded rows' tokens, which come first, in the step.
        int expandedEnd() {
            return firstToken + plan.batch().expandedTokens();
        }

        int end() {
            return firstToken + plan.batch().tokens();
        }

        /// Attends with the queries of expanded rows, which are rotated, to the expansion of what
        /// is stored.
        ///
        /// @param queries `[T, heads · queryDim]`
        /// @param weights of each group of heads
        /// @param out `[T, heads · valueDim]`
        void attendExpanded(int kvLayer, Tensor queries, List<PackedWeight> weights, Tensor out) {
            expanded.orElseThrow()
                    .attend(
                            plan,
                            blocks,
                            kept ? kvLayer : 0,
                            queries.rows(firstToken, expandedEnd()),
                            weights,
                            out.rows(firstToken, expandedEnd()));
        }

        /// Attends with queries that are rotated, to keys and values that are stored.
        void attend(
                int kvLayer,
                Tensor heads,
                Optional<KvScales> scales,
                Optional<Tensor> sinks,
                Tensor out) {
            int end = end();
            int layer = kept ? kvLayer : 0;
            Tensor own = heads.rows(firstToken, end);
            backend.attend(plan, own, blocks, layer, scales, sinks, out.rows(firstToken, end));
        }
    }
}
