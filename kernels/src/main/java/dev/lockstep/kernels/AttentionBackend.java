// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.Optional;

/// Attention over paged keys and values; layers of equal shape share a backend.
///
/// Where the shape attends to later tokens, a row is a whole sequence: all of its tokens are in the
/// step.
///
/// With a window, blocks that end before the window are not looked up: their entries of the block
/// table may be the null block, or a block that the row no longer has.
public interface AttentionBackend {

    /// Reads the batch of one step; the returned plan is valid for every layer of that step.
    AttentionPlan plan(PagedBatch batch);

    /// Rotates the queries and keys of `qkv` in place and stores the keys and values of `layer` in
    /// the cache. Tokens of padding rows are not stored; their part of `qkv` may be rotated.
    ///
    /// @param qkv `[tokens, qkvColumns]`, without values where they are the keys
    /// @param positions `[1, tokens]`
    /// @param scales of the layer, where keys and values are FP8; 1 without them
    void rotateAndStore(
            AttentionPlan plan,
            Tensor qkv,
            RotaryTable rotary,
            Tensor positions,
            PagedKv kv,
            int layer,
            Optional<KvScales> scales);

    /// Rotates and stores without scales.
    default void rotateAndStore(
            AttentionPlan plan,
            Tensor qkv,
            RotaryTable rotary,
            Tensor positions,
            PagedKv kv,
            int layer) {
        rotateAndStore(plan, qkv, rotary, positions, kv, layer, Optional.empty());
    }

    /// Rotates the queries of `qkv` in place and stores nothing, for a layer that attends to keys
    /// and values of another. Queries of padding rows may be rotated.
    ///
    /// @param qkv `[tokens, qkvColumns]`, of which only the query columns are read and written
    /// @param positions `[1, tokens]`
    void rotateQueries(AttentionPlan plan, Tensor qkv, RotaryTable rotary, Tensor positions);

    /// Computes softmax attention of every token over its sequence, or over its window of the
    /// sequence, the token itself included, and over as many later tokens as the shape says; 0 for
    /// tokens of padding rows. Tokens of expanded rows are left as they are.
    ///
    /// @param qkv only its query columns are read
    /// @param out `[tokens, queryHeads · headSize]`
    default void attend(AttentionPlan plan, Tensor qkv, PagedKv kv, int layer, Tensor out) {
        attend(plan, qkv, kv, layer, Optional.empty(), Optional.empty(), out);
    }

    /// Computes the same with a sink for each head: a score that takes its part of the softmax and
    /// has no value (Xiao et al. 2024).
    ///
    /// @param scales those with which the keys and values were stored
    /// @param sinks `[1, queryHeads]` F32
    void attend(
            AttentionPlan plan,
            Tensor qkv,
            PagedKv kv,
            int layer,
            Optional<KvScales> scales,
            Optional<Tensor> sinks,
            Tensor out);
}
