package dev.lockstep.model.layer;

import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionPlan;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.Activations;

/// Rotary self-attention over paged keys and values: q, k and v are one weight cut by heads, the
/// output projection is cut by its inputs.
///
/// @param qkv this rank's query rows, then its key rows, then its value rows
/// @param layer this layer's index within its KV group
public record SelfAttention(
        Kernels kernels,
        AttentionBackend backend,
        RotaryTable rotary,
        PackedWeight qkv,
        RowParallelLinear output,
        int layer) {

    /// Adds the layer to the residual and norms it for the next: `x` holds this layer's input, then
    /// the next one's.
    ///
    /// @param positions `[1, T]`
    public void forward(
            AttentionPlan plan,
            Tensor positions,
            PagedKv kv,
            Tensor x,
            Tensor residual,
            RmsNorm next,
            Activations activations) {
        int tokens = x.rows();
        Tensor heads = activations.qkv(tokens);
        Tensor attended = activations.attended(tokens);
        kernels.matmul(x, qkv, heads);
        backend.rotateAndStore(plan, heads, rotary, positions, kv, layer);
        backend.attend(plan, heads, kv, layer, attended);
        output.addThenNorm(attended, residual, next, x, activations);
    }
}
