package dev.lockstep.model.family;

import dev.lockstep.checkpoint.AttentionConfig;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.AttentionParts;
import dev.lockstep.model.layer.DecoderLayer;
import dev.lockstep.model.layer.DecoderParts;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/// GPTBigCode (Li et al. 2023, StarCoder): GPT-2's plan with one key and value head for all
/// queries.
public final class GptBigCode implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("GPTBigCodeForCausalLM", "starcoder");
    }

    /// With a key head for each query its matrix has q, k and v head by head, which nobody
    /// published.
    @Override
    public void requireSupported(Checkpoint checkpoint) {
        AttentionConfig attention = checkpoint.config().attention();
        if (attention.kvHeadCount() != 1) {
            throw new CheckpointException(
                    "%s: multi_query is false: GPTBigCode is supported with one key and value head only"
                            .formatted(checkpoint.path()));
        }
    }

    @Override
    public Model load(Weights weights) {
        DecoderParts parts = new DecoderParts(weights);
        AttentionParts attention = parts.attention();
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < weights.config().layerCount(); i++) {
            String layer = "transformer.h." + i;
            layers.add(
                    new DecoderLayer(
                            parts.layerNorm(layer + ".ln_1"),
                            attention.withoutPositions(
                                    i,
                                    attention.mergedQkv(layer + ".attn.c_attn"),
                                    attention.output(layer + ".attn.c_proj")),
                            parts.layerNorm(layer + ".ln_2"),
                            parts.feedForward().plain(layer + ".mlp.c_fc", layer + ".mlp.c_proj")));
        }
        return parts.decoder(
                parts.embedding("transformer.wte", "transformer.wpe"),
                layers,
                parts.layerNorm("transformer.ln_f"),
                parts.head("transformer.wte"));
    }
}
