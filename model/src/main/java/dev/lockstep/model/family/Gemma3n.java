// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.DecoderDetails;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.AltUpDecoder;
import dev.lockstep.model.layer.AltUpLayer;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.QueryAttention;
import dev.lockstep.model.layer.QueryKeyNorm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import dev.lockstep.model.layer.SparseFeedForward;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/// Gemma 3n (Google 2025), text: Gemma 3 with several residuals (AltUp), a low-rank matrix beside
/// attention (LAuReL), embeddings of each layer, sparse gates in the first layers, and last layers
/// that attend to keys and values of earlier ones. Norms have the stored weights, those of the
/// heads of v none, and scores are not scaled.
public final class Gemma3n implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Gemma3nForCausalLM", "gemma3n");
    }

    @Override
    public void requireSupported(Checkpoint checkpoint) {
        DecoderDetails details = checkpoint.config().details();
        if (details.altUp().isEmpty()) {
            throw new CheckpointException(
                    "%s: the text of Gemma 3n has the model_type gemma3n_text"
                            .formatted(checkpoint.path()));
        }
        if (details.layerInputs().isEmpty()) {
            throw new CheckpointException(
                    "%s: hidden_size_per_layer_input is 0: Gemma 3n is supported with embeddings of each layer only"
                            .formatted(checkpoint.path()));
        }
    }

    @Override
    public Model load(Weights weights) {
        List<AltUpLayer> layers =
                IntStream.range(0, weights.config().layerCount())
                        .mapToObj(i -> layer(weights, i))
                        .toList();
        return AltUpDecoder.load(
                weights,
                Embedding.load(weights, "model.embed_tokens")
                        .times(Math.sqrt(weights.config().hiddenSize()))
                        .withLayerInputs(weights, "model"),
                layers,
                Norm.rms(weights, "model.norm"),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static AltUpLayer layer(Weights weights, int i) {
        ModelConfig config = weights.config();
        String layer = "model.layers." + i;
        double deviations = config.details().altUp().orElseThrow().deviations().get(i);
        FeedForward.Gated gated = FeedForward.ofLayer(weights, i, layer + ".mlp");
        return AltUpLayer.load(
                weights,
                i,
                attention(weights, i, layer + ".self_attn"),
                SparseFeedForward.of(gated, config.feedForwardSize(i), deviations));
    }

    private static ResidualBranch.Sublayer attention(Weights weights, int i, String attention) {
        return weights.config().readsEarlierKv(i)
                ? QueryAttention.load(weights, i, attention)
                : SelfAttention.rotary(weights, i, attention)
                        .with(
                                QueryKeyNorm.ofValuesToo(
                                        weights, attention, weights.config().attention(i)));
    }
}
