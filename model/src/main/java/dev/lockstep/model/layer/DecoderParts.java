package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.DecoderDetails;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.WeightSlice;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.model.Model;
import dev.lockstep.model.Shard;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.List;
import java.util.Optional;

/// Makes the parts of a [Decoder] from a checkpoint. Names are those of tensors, without `.weight`.
/// Lives while a model loads.
public final class DecoderParts {
    private final Weights weights;
    private final ModelConfig config;
    private final Shard shard;
    private final Kernels kernels;
    private final AttentionParts attention;
    private final FeedForwardParts feedForward;

    public DecoderParts(Weights weights) {
        this.weights = weights;
        this.config = weights.config();
        this.shard = weights.shard();
        this.kernels = weights.kernels();
        this.attention = new AttentionParts(weights);
        this.feedForward = new FeedForwardParts(weights);
    }

    public AttentionParts attention() {
        return attention;
    }

    public FeedForwardParts feedForward() {
        return feedForward;
    }

    public RmsNorm rmsNorm(String name) {
        return rmsNorm(name, 0);
    }

    /// A norm whose factor is the stored weight plus `added`.
    public RmsNorm rmsNorm(String name, float added) {
        int size = config.hiddenSize();
        return new RmsNorm(
                kernels,
                weights.vector(name + ".weight", size, new Span(0, size), added),
                (float) config.normEpsilon());
    }

    public LayerNorm layerNorm(String name) {
        return new LayerNorm(
                kernels,
                weights.vector(name + ".weight", config.hiddenSize()),
                weights.vector(name + ".bias", config.hiddenSize()),
                (float) config.normEpsilon());
    }

    public NoNorm noNorm() {
        return new NoNorm(kernels);
    }

    public Embedding embedding(String name) {
        return embedding(name, 1);
    }

    /// An embedding whose rows are multiplied.
    public Embedding embedding(String name, double multiplier) {
        return new Embedding(
                kernels, weights.embedding(vocabulary(name)), (float) multiplier, Optional.empty());
    }

    /// An embedding with a table of positions.
    public Embedding embedding(String name, String positions) {
        WeightSlice table =
                weights.matrix(positions + ".weight", config.contextLength(), config.hiddenSize());
        return new Embedding(
                kernels,
                weights.embedding(vocabulary(name)),
                1,
                Optional.of(weights.embedding(table)));
    }

    /// The head: `lm_head`, or the embedding where they are tied.
    public LmHead head(String embedding) {
        DecoderDetails details = config.details();
        String name = config.tiedEmbeddings() ? embedding : "lm_head";
        return new LmHead(
                kernels,
                weights.rows(weights.segment(vocabulary(name), shard.vocabulary())),
                Shard.cut(config, shard.size()).stream()
                        .mapToInt(each -> each.vocabulary().size())
                        .toArray(),
                (float) (1 / details.logitDivisor()),
                (float) details.logitCap().orElse(0));
    }

    public Model decoder(
            Embedding embedding, List<DecoderLayer> layers, Norm finalNorm, LmHead head) {
        return new Decoder(
                config,
                shard,
                config.kvGroups().stream().map(weights::kvLayout).toList(),
                embedding,
                layers,
                finalNorm,
                head,
                weights.bytes());
    }

    private WeightSlice vocabulary(String name) {
        return weights.matrix(name + ".weight", config.vocabularySize(), config.hiddenSize());
    }
}
