package dev.lockstep.kernels;

/// Attention over paged keys and values. A family picks a backend for each layer; layers of equal
/// shape share one.
///
/// With a window, blocks that lie wholly before it are not looked up: their entries of the block
/// table may be the null block.
public interface AttentionBackend {

    /// Reads the batch once a step; the plan is good for every layer of that step.
    AttentionPlan plan(PagedBatch batch);

    /// Rotates the queries and keys of `qkv` in place and stores keys and values of `layer` into
    /// the cache.
    ///
    /// @param qkv `[tokens, qkvColumns]`
    /// @param positions `[1, tokens]`
    void rotateAndStore(
            AttentionPlan plan,
            Tensor qkv,
            RotaryTable rotary,
            Tensor positions,
            PagedKv kv,
            int layer);

    /// Causal softmax attention of every token over its sequence, or over its window of it, itself
    /// included.
    ///
    /// @param qkv its query columns are read
    /// @param out `[tokens, queryHeads · headSize]`
    void attend(AttentionPlan plan, Tensor qkv, PagedKv kv, int layer, Tensor out);
}
