package dev.lockstep.model.layer;

import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionPlan;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.ForwardBatch;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// One step on its way through the layers. Belongs to the step thread.
///
/// @param kv the blocks of each KV group
/// @param parts what attention has worked out for this step so far
public record ForwardStep(
        ForwardBatch batch,
        List<PagedKv> kv,
        ActivationBuffers activations,
        Map<KvLayer.Backend, List<Part>> parts) {

    public ForwardStep(ForwardBatch batch, List<PagedKv> kv, ActivationBuffers activations) {
        this(batch, kv, activations, new HashMap<>());
    }

    /// Consecutive tokens of a step that attend to keys and values in the same memory.
    ///
    /// @param start its first token
    /// @param keeps whether `blocks` has all layers, and not one after the other in the same place
    public record Part(
            AttentionBackend attention,
            AttentionPlan plan,
            PagedKv blocks,
            int start,
            boolean keeps) {

        public int tokens() {
            return plan.batch().tokens();
        }

        /// Where a layer of the KV group has its place in the blocks.
        public int layer(int index) {
            return keeps ? index : 0;
        }
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

    /// The parts as a backend sees them, planned when its first layer asks.
    List<Part> parts(KvLayer.Backend backend) {
        return parts.computeIfAbsent(backend, this::plan);
    }

    private List<Part> plan(KvLayer.Backend backend) {
        List<Part> planned = new ArrayList<>();
        PagedBatch kept = batch.kv().get(backend.group());
        if (kept.tokens() > 0) {
            AttentionPlan plan = backend.attention().plan(kept);
            planned.add(new Part(backend.attention(), plan, kv.get(backend.group()), 0, true));
        }
        batch.withoutKv()
                .ifPresent(
                        forgotten -> {
                            AttentionPlan plan = backend.withoutKv().plan(forgotten);
                            PagedKv blocks = activations.stepKv(backend.group());
                            int start = kept.tokens();
                            planned.add(new Part(backend.withoutKv(), plan, blocks, start, false));
                        });
        return planned;
    }
}
