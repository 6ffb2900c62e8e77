package dev.lockstep.model.layer;

import dev.lockstep.kernels.AttentionPlan;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.Activations;
import dev.lockstep.model.ForwardBatch;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// One step on its way through the layers. Belongs to the step thread.
///
/// @param kv the blocks of each KV group
/// @param plans what attention has worked out for this step so far
public record Step(
        ForwardBatch batch,
        List<PagedKv> kv,
        Activations activations,
        Map<KvLayer.Backend, AttentionPlan> plans) {

    public Step(ForwardBatch batch, List<PagedKv> kv, Activations activations) {
        this(batch, kv, activations, new HashMap<>());
    }

    public int tokens() {
        return batch.tokens();
    }

    /// `[T, H]`: the sum of all layers so far.
    public Tensor residual() {
        return activations.residual(tokens());
    }

    /// `[T, H]`: the input of the next layer.
    public Tensor x() {
        return activations.hidden(tokens());
    }

    /// The plan of a backend, made when its first layer asks.
    AttentionPlan plan(KvLayer.Backend backend) {
        return plans.computeIfAbsent(
                backend, each -> each.attention().plan(batch.kv().get(each.group())));
    }
}
