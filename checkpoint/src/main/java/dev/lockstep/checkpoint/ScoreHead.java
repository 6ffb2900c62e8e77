// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;

/// A reader of the weights that follow pooling: those of a score of a query and a document, and
/// those of linear layers.
final class ScoreHead {
    private static final String SCORE = "score.weight";

    private ScoreHead() {}

    /// Returns the one linear layer of a `…ForSequenceClassification`.
    static SentenceModel.Score ofClassifier(
            Checkpoint checkpoint, SentenceDense.Activation activation, PairForm form) {
        return ofDecoder(row(checkpoint, SCORE), activation, form);
    }

    private static SentenceModel.Score ofDecoder(
            float[] weight, SentenceDense.Activation activation, PairForm form) {
        return new SentenceModel.Score(
                SentencePooling.LAST, Optional.empty(), weight, 0, activation, form, false);
    }

    /// Returns the weights of a single score.
    static float[] row(Checkpoint checkpoint, String name) {
        WeightMatrix head = checkpoint.tensor(name);
        int hidden = checkpoint.config().hiddenSize();
        if (head.rows() != 1 || head.columns() != hidden) {
            throw new CheckpointException(
                    "%s: tensor %s is [%d, %d], a reranker has one score of %d components: [1, %d]"
                            .formatted(
                                    checkpoint.path(),
                                    name,
                                    head.rows(),
                                    head.columns(),
                                    hidden,
                                    hidden));
        }
        return values(checkpoint, name, 1, hidden);
    }

    /// Returns the values of a tensor of a head, row after row.
    static float[] values(Checkpoint checkpoint, String name, int rows, int columns) {
        WeightMatrix values = checkpoint.tensor(name);
        if (values.rows() != rows || values.columns() != columns) {
            throw new CheckpointException(
                    "%s: tensor %s is [%d, %d], expected [%d, %d]"
                            .formatted(
                                    checkpoint.path(),
                                    name,
                                    values.rows(),
                                    values.columns(),
                                    rows,
                                    columns));
        }
        return values(checkpoint, values);
    }

    /// Returns the values of a matrix that is plain, or of a type that GGUF files have for heads.
    static float[] values(Checkpoint checkpoint, WeightMatrix matrix) {
        Optional<float[]> decoded = BlockValues.of(matrix);
        if (decoded.isPresent()) {
            return decoded.get();
        }
        if (matrix.decoder().isPresent() || matrix.type().isQuantized()) {
            throw new CheckpointException(
                    "%s: tensor %s is quantized, what follows pooling must be F32, F16, BF16, Q8_0, Q6_K, Q5_K, Q4_K or Q4_0"
                            .formatted(checkpoint.path(), matrix.name()));
        }
        return matrix.floats(0, matrix.rows() * matrix.columns());
    }

    /// Returns the score of a `LogitScore` module: the logit of one token, or by how much it
    /// exceeds that of another.
    static SentenceModel.Score ofTokens(
            JsonObject config,
            Checkpoint checkpoint,
            SentenceDense.Activation activation,
            PairForm form) {
        OptionalInt trueId = id(config, "true_token_id", checkpoint);
        return ofTokens(
                checkpoint,
                trueId.orElseThrow(() -> config.missing("true_token_id")),
                id(config, "false_token_id", checkpoint),
                activation,
                form);
    }

    /// Returns the score of the logit of one token, or by how much it exceeds that of another.
    static SentenceModel.Score ofTokens(
            Checkpoint checkpoint,
            int trueId,
            OptionalInt falseId,
            SentenceDense.Activation activation,
            PairForm form) {
        return ofDecoder(weight(checkpoint, trueId, falseId), activation, form);
    }

    private static OptionalInt id(JsonObject config, String key, Checkpoint checkpoint) {
        OptionalInt id = config.integer(key);
        int size = checkpoint.config().vocabularySize();
        if (id.isPresent() && (id.getAsInt() < 0 || id.getAsInt() >= size)) {
            throw config.wrong(key, id.getAsInt(), "a token id below " + size);
        }
        return id;
    }

    private static float[] weight(Checkpoint checkpoint, int trueId, OptionalInt falseId) {
        DecoderDetails details = checkpoint.config().details();
        if (headName(checkpoint).isEmpty() || details.logitCap().isPresent()) {
            throw new CheckpointException(
                    "%s: scores by the logits of tokens need an output head, and logits without a cap"
                            .formatted(checkpoint.path()));
        }
        float[] weight = tokenRow(checkpoint, trueId);
        if (falseId.isPresent()) {
            float[] other = tokenRow(checkpoint, falseId.getAsInt());
            for (int i = 0; i < weight.length; i++) {
                weight[i] -= other[i];
            }
        }
        for (int i = 0; i < weight.length; i++) {
            weight[i] = (float) (weight[i] / details.logitDivisor());
        }
        return weight;
    }

    /// Returns the tensor of the logits, which a classifier that is made of tokens has too.
    private static Optional<String> headName(Checkpoint checkpoint) {
        boolean decodes = checkpoint.config().details().encoder().isEmpty();
        return Stream.of(
                        "lm_head.weight",
                        checkpoint.config().tiedEmbeddings() ? "model.embed_tokens.weight" : "")
                .filter(name -> decodes && checkpoint.has(name))
                .findFirst();
    }

    private static float[] tokenRow(Checkpoint checkpoint, int id) {
        String name = headName(checkpoint).orElseThrow();
        try {
            return values(checkpoint, checkpoint.tensor(name).part(id, 1));
        } catch (CheckpointException e) {
            throw checkpoint.cut().isPresent()
                    ? new CheckpointException(
                            "%s was cut without the rows of %s that score: put reranker.json beside the original model, then convert that"
                                    .formatted(checkpoint.path(), name),
                            e)
                    : e;
        }
    }
}
