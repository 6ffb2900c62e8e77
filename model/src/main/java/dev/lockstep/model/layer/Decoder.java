package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.ForwardBatch;
import dev.lockstep.model.Model;
import dev.lockstep.model.Shard;
import java.util.List;

/// A decoder-only transformer: embedding, layers that each add to a residual, a norm, a head. What
/// the parts are is the family's business.
///
/// @param finalNorm stands before the head
public record Decoder(
        ModelConfig config,
        Shard shard,
        List<KvLayout> kvLayouts,
        Embedding embedding,
        List<DecoderLayer> layers,
        Norm finalNorm,
        LmHead head,
        long weightBytes)
        implements Model {

    public Decoder {
        kvLayouts = List.copyOf(kvLayouts);
        layers = List.copyOf(layers);
    }

    @Override
    public Tensor forward(ForwardBatch batch, List<PagedKv> kv, ActivationBuffers activations) {
        ForwardStep step = new ForwardStep(batch, kv, activations);
        embedding.forward(step);
        normBefore(0).apply(step.residual(), step.x());
        for (int i = 0; i < layers.size(); i++) {
            DecoderLayer layer = layers.get(i);
            layer.attention().forward(step, layer.feedForwardNorm());
            layer.feedForward().forward(step, normBefore(i + 1));
        }
        return logits(batch.tokens(), batch.logitRows(), activations);
    }

    @Override
    public Tensor logits(int tokens, Tensor rows, ActivationBuffers activations) {
        return head.forward(hiddenStates(tokens, activations), rows, activations);
    }

    /// What stands before a layer's attention, or before the head.
    private Norm normBefore(int layer) {
        return layer < layers.size() ? layers.get(layer).attentionNorm() : finalNorm;
    }
}
