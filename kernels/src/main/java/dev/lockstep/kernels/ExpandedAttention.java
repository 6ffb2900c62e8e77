// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.List;

/// Attention of the expanded rows of a batch to keys and values that are computed from a cache of
/// latents ([KvLayout#valuesAreKeys]), for all positions up to the end of each row. It costs the
/// products with these positions once for all tokens of a row, and then a pair of a query and a key
/// of a head as many multiply-adds as head and value have dimensions, instead of those of the
/// cache.
///
/// The result of a token is a function of its query and of what the cache holds of its sequence.
public interface ExpandedAttention {

    /// Computes softmax attention of every token of the expanded rows, causal and without a window.
    ///
    /// @param plan of the attention over the cache
    /// @param kv what [AttentionBackend#rotateAndStore] stored with this plan
    /// @param queries `[expanded tokens, heads · queryDim]`: of each head the plain dimensions,
    ///   then the rotated ones
    /// @param weights of each group of heads, `[groupRows, rank]`
    /// @param out `[expanded tokens, heads · valueDim]`
    void attend(
            AttentionPlan plan,
            PagedKv kv,
            int layer,
            Tensor queries,
            List<PackedWeight> weights,
            Tensor out);
}
