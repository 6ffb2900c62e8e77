// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.List;
import java.util.Set;

/// GPT-2 (Radford et al. 2019): learned positions, LayerNorm, biases everywhere, q, k and v in one
/// matrix, and a plain feed-forward with GELU:
///
/// ```
/// residual += Wproj · attention(q, k, v)    q, k, v = Wattn · n
/// residual += Wproj · gelu(Wfc · n)
/// ```
///
/// Its own checkpoints store matrices as `[inputs, outputs]`; GGUF files do not.
public final class Gpt2 implements ModelFamily {
    private static final String GGUF = "gpt2";

    @Override
    public Set<String> architectures() {
        return Set.of("GPT2LMHeadModel", GGUF);
    }

    @Override
    public Model load(Weights weights) {
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, "transformer.wte")
                        .withPositions(weights, "transformer.wpe"),
                layers,
                Norm.layer(weights, "transformer.ln_f"),
                LmHead.load(weights, "transformer.wte"));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "transformer.h." + i;
        int hidden = weights.config().hiddenSize();
        int width = weights.config().feedForwardSize();
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.layer(weights, layer + ".ln_1"),
                        SelfAttention.withoutPositions(
                                weights,
                                i,
                                SelfAttention.mergedQkv(
                                        weights,
                                        linear(
                                                weights,
                                                layer + ".attn.c_attn",
                                                3 * hidden,
                                                hidden)),
                                SelfAttention.output(
                                        weights,
                                        linear(weights, layer + ".attn.c_proj", hidden, hidden)))),
                ResidualBranch.of(
                        Norm.layer(weights, layer + ".ln_2"),
                        FeedForward.plain(
                                weights,
                                linear(weights, layer + ".mlp.c_fc", width, hidden),
                                linear(weights, layer + ".mlp.c_proj", hidden, width))));
    }

    private static OutputRows linear(Weights weights, String name, int rows, int columns) {
        return weights.config().architecture().equals(GGUF)
                ? weights.linear(name, rows, columns)
                : weights.transposedLinear(name, rows, columns);
    }
}
