// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.ExpertLatent;
import dev.lockstep.model.layer.ExpertSource;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.Mamba2;
import dev.lockstep.model.layer.MixtureOfExperts;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.Router;
import dev.lockstep.model.layer.SelfAttention;
import dev.lockstep.model.layer.SharedExpert;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/// Nemotron-H and Nemotron 3 (NVIDIA 2025): layers of one branch each, Mamba-2, attention without
/// positions, a feed-forward, or a mixture of experts beside a shared one, in large ones of experts
/// of a latent:
///
/// ```
/// residual += mamba2(n)                                      or
/// residual += Wo · attention(Wq · n, Wk · n, Wv · n)         or
/// residual += Wdown · relu²(Wup · n)                         or
/// residual += Σ over the chosen experts e of routerₑ(n) · expertₑ(n) + shared(n)
/// ```
public final class NemotronH implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("NemotronHForCausalLM");
    }

    @Override
    public Model load(Weights weights) {
        String prefix = weights.has("backbone.embeddings.weight") ? "backbone" : "model";
        List<ResidualBranch> branches =
                IntStream.range(0, weights.config().layerCount())
                        .mapToObj(i -> branch(weights, i, "%s.layers.%d".formatted(prefix, i)))
                        .toList();
        return Decoder.ofBranches(
                weights,
                Embedding.load(weights, prefix + ".embeddings"),
                branches,
                Norm.rms(weights, prefix + ".norm_f"),
                LmHead.load(weights, prefix + ".embeddings"));
    }

    private static ResidualBranch branch(Weights weights, int i, String layer) {
        return ResidualBranch.of(
                Norm.rms(weights, layer + ".norm"), sublayer(weights, i, layer + ".mixer"));
    }

    private static ResidualBranch.Sublayer sublayer(Weights weights, int i, String mixer) {
        ModelConfig config = weights.config();
        if (config.keepsState(i)) {
            return Mamba2.load(weights, i, mixer);
        }
        return config.hasFeedForward(i)
                ? feedForward(weights, i, mixer)
                : SelfAttention.withoutPositions(
                        weights,
                        i,
                        SelfAttention.qkv(weights, mixer),
                        SelfAttention.output(weights, mixer + ".o_proj"));
    }

    private static FeedForward feedForward(Weights weights, int i, String mixer) {
        String up = mixer + ".up_proj";
        String down = mixer + ".down_proj";
        if (weights.config().details().experts().isEmpty()) {
            return FeedForward.plain(weights, up, down);
        }
        if (!weights.config().hasExperts(i)) {
            return FeedForward.densePlain(weights, up, down);
        }
        String gate = mixer + ".gate";
        Router router = Router.corrected(weights, gate, gate + ".e_score_correction_bias");
        MixtureOfExperts chosen =
                MixtureOfExperts.load(
                        weights, router, new ExpertSource.Ungated(mixer + ".experts"));
        if (weights.config().details().experts().get().latentSize() > 0) {
            chosen =
                    chosen.with(
                            ExpertLatent.load(
                                    weights,
                                    mixer + ".fc1_latent_proj",
                                    mixer + ".fc2_latent_proj"));
        }
        return SharedExpert.isConfigured(weights)
                ? chosen.with(SharedExpert.ungated(weights, mixer + ".shared_experts"))
                : chosen;
    }
}
