package dev.lockstep.model.family;

import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.WeightSlice;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.AttentionParts;
import dev.lockstep.model.layer.DecoderLayer;
import dev.lockstep.model.layer.DecoderParts;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/// GPT-2 (Radford et al. 2019): learned positions, layer norms, biases everywhere, q, k and v in
/// one matrix, two matrices in the feed-forward and GELU between them.
///
/// Its own checkpoints hold matrices as `[inputs, outputs]`, and some leave out the name's first
/// part; GGUF files do neither.
public final class Gpt2 implements ModelFamily {
    private static final String GGUF = "gpt2";

    @Override
    public Set<String> architectures() {
        return Set.of("GPT2LMHeadModel", GGUF);
    }

    @Override
    public Model load(Weights weights) {
        DecoderParts parts = new DecoderParts(weights);
        AttentionParts attention = parts.attention();
        ModelConfig config = weights.config();
        int hidden = config.hiddenSize();
        int width = config.feedForwardSize();
        String model = weights.has("transformer.wte.weight") ? "transformer." : "";
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < config.layerCount(); i++) {
            String layer = model + "h." + i;
            String qkv = layer + ".attn.c_attn";
            String output = layer + ".attn.c_proj";
            String up = layer + ".mlp.c_fc";
            String down = layer + ".mlp.c_proj";
            layers.add(
                    new DecoderLayer(
                            parts.layerNorm(layer + ".ln_1"),
                            attention.withoutPositions(
                                    i,
                                    attention.mergedQkv(
                                            qkv, matrix(weights, qkv, 3 * hidden, hidden)),
                                    attention.output(
                                            output, matrix(weights, output, hidden, hidden))),
                            parts.layerNorm(layer + ".ln_2"),
                            parts.feedForward()
                                    .plain(
                                            up,
                                            matrix(weights, up, width, hidden),
                                            down,
                                            matrix(weights, down, hidden, width))));
        }
        return parts.decoder(
                parts.embedding(model + "wte", model + "wpe"),
                layers,
                parts.layerNorm(model + "ln_f"),
                parts.head(model + "wte"));
    }

    private static WeightSlice matrix(Weights weights, String name, int rows, int columns) {
        return weights.config().architecture().equals(GGUF)
                ? weights.matrix(name + ".weight", rows, columns)
                : weights.transposed(name + ".weight", rows, columns);
    }
}
