package dev.lockstep.model.family;

import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.WeightSlice;
import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionPlan;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.Activations;
import dev.lockstep.model.ForwardBatch;
import dev.lockstep.model.Model;
import dev.lockstep.model.RotaryFrequencies;
import dev.lockstep.model.Shard;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.GatedMlp;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.RmsNorm;
import dev.lockstep.model.layer.RowParallelLinear;
import dev.lockstep.model.layer.SelfAttention;
import java.util.ArrayList;
import java.util.List;

/// Llama (Touvron et al. 2023): pre-norm decoder, RMSNorm, rotary positions, grouped-query
/// attention, SiLU-gated feed-forward. Covers Llama 1 to 3, SmolLM and the many models of the same
/// plan.
public final class Llama implements Model {
    private final ModelConfig config;
    private final Shard shard;
    private final Kernels kernels;
    private final KvLayout kvLayout;
    private final AttentionBackend attention;
    private final EmbeddingTable embedding;
    private final RmsNorm firstNorm;
    private final List<Layer> layers;
    private final LmHead head;
    private final long weightBytes;

    /// @param nextNorm what follows the feed-forward: the next layer's first norm, or the final one
    private record Layer(
            SelfAttention attention,
            RmsNorm feedForwardNorm,
            GatedMlp feedForward,
            RmsNorm nextNorm) {}

    public Llama(Weights weights) {
        this.config = weights.config();
        this.shard = weights.shard();
        this.kernels = weights.kernels();
        this.kvLayout = weights.kvLayout(config.kvGroups().getFirst());
        this.attention =
                kernels.attention(
                        new AttentionShape(
                                shard.kvHeadOf(config),
                                shard.kvHeads().size(),
                                config.attention().headDim(),
                                (float) (1 / Math.sqrt(config.attention().headDim()))),
                        kvLayout);
        RotaryFrequencies frequencies = RotaryFrequencies.of(config.rope());
        RotaryTable rotary =
                kernels.prepareRotary(
                        frequencies.cos(weights.maxPositions()),
                        frequencies.sin(weights.maxPositions()));
        this.embedding = weights.embedding(embedding(weights, "model.embed_tokens.weight"));
        this.firstNorm = norm(weights, "model.layers.0.input_layernorm.weight");
        this.layers = new ArrayList<>();
        for (int layer = 0; layer < config.layerCount(); layer++) {
            layers.add(layer(weights, rotary, layer));
        }
        this.head =
                new LmHead(
                        kernels,
                        weights.rows(
                                weights.segment(
                                        embedding(
                                                weights,
                                                config.tiedEmbeddings()
                                                        ? "model.embed_tokens.weight"
                                                        : "lm_head.weight"),
                                        shard.vocabulary())),
                        Shard.cut(config, shard.size()).stream()
                                .mapToInt(each -> each.vocabulary().size())
                                .toArray());
        this.weightBytes = weights.bytes();
    }

    @Override
    public Tensor forward(ForwardBatch batch, List<PagedKv> kv, Activations activations) {
        Tensor residual = activations.residual(batch.tokens());
        Tensor x = activations.hidden(batch.tokens());
        kernels.embed(embedding, batch.ids(), residual);
        firstNorm.apply(residual, x);
        AttentionPlan plan = attention.plan(batch.kv().getFirst());
        for (Layer layer : layers) {
            layer.attention.forward(
                    plan,
                    batch.positions(),
                    kv.getFirst(),
                    x,
                    residual,
                    layer.feedForwardNorm,
                    activations);
            layer.feedForward.forward(x, residual, layer.nextNorm, activations);
        }
        return head.forward(x, batch.logitRows(), activations);
    }

    private Layer layer(Weights weights, RotaryTable rotary, int layer) {
        String prefix = "model.layers." + layer + ".";
        String next =
                layer + 1 < config.layerCount()
                        ? "model.layers." + (layer + 1) + ".input_layernorm.weight"
                        : "model.norm.weight";
        int hidden = config.hiddenSize();
        int width = config.feedForwardSize();
        int queries = config.attention().queryWidth();
        int keys = config.attention().kvWidth();
        Span queryRows = shard.queryHeads().times(config.attention().headDim());
        Span keyRows = shard.kvHeads().times(config.attention().headDim());
        WeightSlice q = weights.matrix(prefix + "self_attn.q_proj.weight", queries, hidden);
        WeightSlice k = weights.matrix(prefix + "self_attn.k_proj.weight", keys, hidden);
        WeightSlice v = weights.matrix(prefix + "self_attn.v_proj.weight", keys, hidden);
        WeightSlice o = weights.matrix(prefix + "self_attn.o_proj.weight", hidden, queries);
        WeightSlice gate = weights.matrix(prefix + "mlp.gate_proj.weight", width, hidden);
        WeightSlice up = weights.matrix(prefix + "mlp.up_proj.weight", width, hidden);
        WeightSlice down = weights.matrix(prefix + "mlp.down_proj.weight", hidden, width);
        PackedWeight qkv =
                weights.rows(
                        weights.segment(q, queryRows),
                        weights.segment(k, keyRows),
                        weights.segment(v, keyRows));
        PackedWeight gateUp =
                weights.rows(
                        weights.segment(gate, shard.feedForward()),
                        weights.segment(up, shard.feedForward()));
        return new Layer(
                new SelfAttention(
                        kernels,
                        attention,
                        rotary,
                        qkv,
                        new RowParallelLinear(kernels, weights.columns(o, queryRows)),
                        layer),
                norm(weights, prefix + "post_attention_layernorm.weight"),
                new GatedMlp(
                        kernels,
                        gateUp,
                        new RowParallelLinear(kernels, weights.columns(down, shard.feedForward()))),
                norm(weights, next));
    }

    private WeightSlice embedding(Weights weights, String name) {
        return weights.matrix(name, config.vocabularySize(), config.hiddenSize());
    }

    private RmsNorm norm(Weights weights, String name) {
        return new RmsNorm(
                kernels, weights.vector(name, config.hiddenSize()), (float) config.normEpsilon());
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public Shard shard() {
        return shard;
    }

    @Override
    public List<KvLayout> kvLayouts() {
        return List.of(kvLayout);
    }

    @Override
    public long weightBytes() {
        return weightBytes;
    }
}
